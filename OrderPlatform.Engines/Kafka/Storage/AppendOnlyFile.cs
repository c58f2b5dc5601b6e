using Microsoft.Win32.SafeHandles;

namespace OrderPlatform.Engines.Kafka.Storage;

/// <summary>A file that grows by whole pieces: what a failed write left behind is cut off before anything else is written.</summary>
internal sealed class AppendOnlyFile : IDisposable
{
    private bool _tailIsDirty;

    private AppendOnlyFile(SafeFileHandle handle, int length) => (Handle, Length) = (handle, length);

    public SafeFileHandle Handle { get; }

    /// <summary>Bytes of whole pieces; the file may for a moment hold more.</summary>
    public int Length { get; private set; }

    /// <exception cref="LogDamagedException">It is longer than any file of this broker.</exception>
    public static AppendOnlyFile Open(string path, FileMode mode)
    {
        var handle = File.OpenHandle(path, mode, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        var length = RandomAccess.GetLength(handle);
        if (length <= int.MaxValue)
        {
            return new AppendOnlyFile(handle, (int)length);
        }
        handle.Dispose();
        throw new LogDamagedException($"{path} is longer than 2 GB, which no file of this broker is. Put it back from a copy.");
    }

    /// <exception cref="IOException">The disk took not all of it; what it took is cut off again.</exception>
    public void Append(ReadOnlySpan<byte> piece)
    {
        if (_tailIsDirty)
        {
            CutTo(Length);
        }
        try
        {
            RandomAccess.Write(Handle, piece, Length);
        }
        catch (Exception e)
        {
            _tailIsDirty = true;
            CutTo(Length);
            // EFBIG, the limit on the size of a file, is an argument's fault to the runtime
            throw e is ArgumentOutOfRangeException ? new IOException("The file may not grow any more.", e) : e;
        }
        Length += piece.Length;
    }

    /// <summary>Cuts off everything behind the position.</summary>
    public void CutTo(int length)
    {
        RandomAccess.SetLength(Handle, length);
        Length = length;
        _tailIsDirty = false;
    }

    public void Dispose() => Handle.Dispose();
}
