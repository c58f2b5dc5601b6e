namespace OrderPlatform.Engines.Kafka.Storage;

/// <summary>One file of a partition's log, and its index. The caller holds the log's lock, except for <see cref="Read"/>.</summary>
internal sealed class Segment
{
    private readonly AppendOnlyFile _file;
    private int _references = 1;

    private Segment(string path, long baseOffset, AppendOnlyFile file, DateTimeOffset created) =>
        (Path, BaseOffset, _file, Created) = (path, baseOffset, file, created);

    public string Path { get; }
    public long BaseOffset { get; }

    /// <summary>Bytes of whole batches.</summary>
    public int Length => _file.Length;

    public OffsetIndex Index { get; private set; } = new();
    public DateTimeOffset Created { get; }
    public string IndexPath => System.IO.Path.ChangeExtension(Path, ".index");

    /// <summary>The name is the base offset in twenty digits, as Apache Kafka's.</summary>
    public static string PathOf(string folder, long baseOffset) => System.IO.Path.Combine(folder, $"{baseOffset:D20}.log");

    public static Segment Create(string folder, long baseOffset, DateTimeOffset now)
    {
        var path = PathOf(folder, baseOffset);
        return new Segment(path, baseOffset, AppendOnlyFile.Open(path, FileMode.CreateNew), now);
    }

    public static Segment Open(string path) => new(
        path, long.Parse(System.IO.Path.GetFileNameWithoutExtension(path)), AppendOnlyFile.Open(path, FileMode.Open), new DateTimeOffset(File.GetCreationTimeUtc(path)));

    /// <summary>Writes one batch at the end, all or nothing.</summary>
    /// <exception cref="IOException">The disk took not all of it; what it took is cut off again.</exception>
    public void Append(ReadOnlySpan<byte> batch, in RecordBatchHeader header)
    {
        _file.Append(batch);
        Index.Add(header.BaseOffset, Length - batch.Length, header.MaxTimestamp);
    }

    public void CutTo(int length) => _file.CutTo(length);

    public int Read(Span<byte> to, long position) => RandomAccess.Read(_file.Handle, to, position);

    public BatchScanner Scan(int position, bool verify = false) => new(_file.Handle, position, Length, verify);

    /// <summary>Takes the saved index if it speaks for this very file; otherwise it must be <see cref="Reindex"/>ed.</summary>
    public bool TryLoadIndex(int length)
    {
        if (SealedFile.TryRead(IndexPath) is not { } bytes || OffsetIndex.FromBytes(bytes, length) is not { } index)
        {
            return false;
        }
        Index = index;
        return true;
    }

    /// <summary>Builds the index of the first bytes of the file anew from the batches' headers.</summary>
    /// <exception cref="LogDamagedException">There is no batch where one must be.</exception>
    public void Reindex(int length)
    {
        Index = new OffsetIndex();
        using var scan = Scan(0);
        while (scan.Next != length)
        {
            if (!scan.MoveNext())
            {
                throw LogDamagedException.At(Path, scan.Position);
            }
            Index.Add(scan.Header.BaseOffset, scan.Position, scan.Header.MaxTimestamp);
        }
    }

    public void SaveIndex() => SealedFile.Replace(IndexPath, Index.ToBytes(Length));

    /// <summary>Keeps the file open for a reader, even when the segment is deleted meanwhile.</summary>
    public void AddReference() => Interlocked.Increment(ref _references);

    public void Release()
    {
        if (Interlocked.Decrement(ref _references) == 0)
        {
            _file.Dispose();
        }
    }

    public void Delete()
    {
        File.Delete(Path);
        File.Delete(IndexPath);
        Release();
    }
}
