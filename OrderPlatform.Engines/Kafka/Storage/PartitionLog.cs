using OrderPlatform.Engines.Kafka.Protocol;

namespace OrderPlatform.Engines.Kafka.Storage;

/// <summary>The answer to an append: where the batch is, or why it is not.</summary>
internal readonly record struct AppendResult(ErrorCode Error, long BaseOffset = -1, long StartOffset = -1, string? Message = null);

/// <summary>Bytes of whole batches in a segment's file, held open until released.</summary>
internal readonly record struct LogSlice(Segment Segment, int Position, int Length);

/// <summary>The answer to a read: an error, or the log's borders and perhaps a slice.</summary>
internal readonly record struct ReadResult(ErrorCode Error, long StartOffset, long NextOffset, LogSlice? Slice = null);

/// <summary>
/// One partition: a log of segments that ends in an active one. What is appended is handed to the operating system before
/// the answer, as Apache Kafka does: it survives the end of the process, not the loss of power.
/// </summary>
internal sealed class PartitionLog
{
    /// <summary>A checkpoint after so many bytes keeps the part that a start has to read again small.</summary>
    private const int BytesBetweenCheckpoints = 16 << 20;

    private readonly Lock _lock = new();
    private readonly string _folder;
    private readonly string _name;
    private readonly TopicConfig _config;
    private readonly TimeProvider _clock;
    private readonly KafkaLog _log;
    private readonly HashSet<AppendSignal> _signals = [];
    private readonly List<Segment> _segments = [];
    private ProducerStates _producers = new();
    private long _nextOffset;
    private int _bytesSinceCheckpoint;
    private bool _closed;
    private bool _writesFail;

    /// <summary>Why nothing can be read or written here; null when all is well.</summary>
    private string? _damage;

    private PartitionLog(string folder, string name, TopicConfig config, TimeProvider clock, KafkaLog log) =>
        (_folder, _name, _config, _clock, _log) = (folder, name, config, clock, log);

    private Segment Active => _segments[^1];

    /// <summary>Opens or makes the log. Damage does not stop the broker: it is logged, and this partition answers KAFKA_STORAGE_ERROR.</summary>
    public static PartitionLog Open(string folder, string name, TopicConfig config, TimeProvider clock, KafkaLog log)
    {
        var partition = new PartitionLog(folder, name, config, clock, log);
        try
        {
            var found = LogRecovery.Open(folder, clock);
            partition._segments.AddRange(found.Segments);
            partition._nextOffset = found.NextOffset;
            partition._producers = found.Producers;
            if (found.CutBytes > 0)
            {
                log.TornTailCut(name, found.CutBytes, found.CutPath, found.Segments[^1].Length);
            }
        }
        catch (Exception e) when (e is LogDamagedException or IOException)
        {
            partition._damage = e.Message;
            log.PartitionDamaged(name, e.Message);
        }
        return partition;
    }

    /// <summary>Appends one batch of a client, giving it its offsets in place.</summary>
    public AppendResult Append(Span<byte> records)
    {
        var error = RecordBatchHeader.Validate(records, _config.MessageBytesMax, out var batch);
        if (error != ErrorCode.None)
        {
            return new AppendResult(error);
        }
        lock (_lock)
        {
            if (Unusable() is { } unusable)
            {
                return new AppendResult(unusable, Message: _damage);
            }
            error = _producers.Check(batch, out var alreadyAt);
            if (error != ErrorCode.None || alreadyAt is not null)
            {
                return new AppendResult(error, alreadyAt ?? -1, _segments[0].BaseOffset);
            }
            if (_nextOffset > long.MaxValue - batch.RecordCount)
            {
                return new AppendResult(ErrorCode.InvalidRecord);
            }
            batch = batch with { BaseOffset = _nextOffset };
            RecordBatchHeader.Patch(records, _nextOffset);
            try
            {
                RollIfDue(batch.Length);
                Active.Append(records, batch);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                WriteFailed(e);
                return new AppendResult(ErrorCode.KafkaStorageError, Message: "The broker could not write: " + e.Message);
            }
            WriteSucceeded();
            _producers.Appended(batch, Now);
            _nextOffset = batch.NextOffset;
            CheckpointIfDue(batch.Length);
            WakeReaders();
            return new AppendResult(ErrorCode.None, batch.BaseOffset, _segments[0].BaseOffset);
        }
    }

    /// <summary>Finds what to send for a fetch. The slice's segment must be released.</summary>
    /// <param name="atLeastOneBatch">Give the first batch whole even when it is longer than the limit (KIP-74).</param>
    public ReadResult Read(long offset, int bytesMax, bool atLeastOneBatch)
    {
        lock (_lock)
        {
            if (Unusable() is { } unusable)
            {
                return new ReadResult(unusable, -1, -1);
            }
            var start = _segments[0].BaseOffset;
            if (offset < start || offset > _nextOffset)
            {
                return new ReadResult(ErrorCode.OffsetOutOfRange, start, _nextOffset);
            }
            if (offset == _nextOffset)
            {
                return new ReadResult(ErrorCode.None, start, _nextOffset);
            }
            if (!TryFind(offset, out var segment, out var position))
            {
                return new ReadResult(ErrorCode.KafkaStorageError, -1, -1);
            }
            var end = WholeBatches(segment, position, bytesMax, atLeastOneBatch);
            if (end == position)
            {
                return new ReadResult(ErrorCode.None, start, _nextOffset);
            }
            segment.AddReference();
            return new ReadResult(ErrorCode.None, start, _nextOffset, new LogSlice(segment, position, end - position));
        }
    }

    /// <summary>The first record with a timestamp at or after the given one (Unix ms): its offset and timestamp; null when there is none.</summary>
    public (ErrorCode Error, (long Offset, long Timestamp)? Found) FindTimestamp(long timestamp)
    {
        lock (_lock)
        {
            if (Unusable() is { } unusable)
            {
                return (unusable, null);
            }
            foreach (var segment in _segments)
            {
                if (segment.Index.MaxTimestamp < timestamp || segment.Length == 0)
                {
                    continue;
                }
                using var scan = segment.Scan(segment.Index.PositionBeforeTimestamp(timestamp), verify: true);
                while (scan.MoveNext())
                {
                    if (scan.Header.MaxTimestamp >= timestamp)
                    {
                        return (ErrorCode.None, RecordTimestamps.FirstAtOrAfter(timestamp, scan.Header, scan.Batch));
                    }
                }
            }
            return (ErrorCode.None, null);
        }
    }

    /// <summary>The borders of the log, and the newest timestamp in it.</summary>
    public (ErrorCode Error, long StartOffset, long NextOffset, long MaxTimestamp) Borders()
    {
        lock (_lock)
        {
            return Unusable() is { } unusable
                ? (unusable, -1, -1, -1)
                : (ErrorCode.None, _segments[0].BaseOffset, _nextOffset, _segments.Max(s => s.Index.MaxTimestamp));
        }
    }

    /// <summary>The signal is set at every append and at the close, until <see cref="Unsubscribe"/>.</summary>
    public void Subscribe(AppendSignal signal)
    {
        lock (_lock)
        {
            _signals.Add(signal);
        }
    }

    public void Unsubscribe(AppendSignal signal)
    {
        lock (_lock)
        {
            _signals.Remove(signal);
        }
    }

    /// <summary>Deletes whole segments that the topic's retention has passed, never the active one. An active one past its age is closed first.</summary>
    public void ApplyRetention()
    {
        lock (_lock)
        {
            if (Unusable() is not null)
            {
                return;
            }
            try
            {
                var ageMax = _config.RetentionMs >= 0 ? Math.Min(_config.RetentionMs, _config.SegmentMs) : _config.SegmentMs;
                if (Active.Length > 0 && (_clock.GetUtcNow() - Active.Created).TotalMilliseconds > ageMax)
                {
                    Roll();
                }
                DeleteExpired();
            }
            catch (IOException e)
            {
                WriteFailed(e);
            }
        }
    }

    /// <summary>Ends the log in good order: the next start has nothing to read again.</summary>
    public void Close()
    {
        lock (_lock)
        {
            if (Unusable() is null)
            {
                Checkpoint();
            }
            Release();
        }
    }

    /// <summary>Lets go of the files, because the topic is being deleted.</summary>
    public void Abandon()
    {
        lock (_lock)
        {
            Release();
        }
    }

    private long Now => _clock.GetUtcNow().ToUnixTimeMilliseconds();

    private ErrorCode? Unusable() => _closed ? ErrorCode.UnknownTopicOrPartition : _damage is null ? null : ErrorCode.KafkaStorageError;

    private void Release()
    {
        _closed = true;
        _segments.ForEach(s => s.Release());
        _segments.Clear();
        WakeReaders();
    }

    private void WakeReaders()
    {
        foreach (var signal in _signals)
        {
            signal.Set();
        }
    }

    // the batch that holds the offset
    private bool TryFind(long offset, out Segment segment, out int position)
    {
        var at = _segments.FindLastIndex(s => s.BaseOffset <= offset);
        segment = _segments[at];
        using var scan = segment.Scan(segment.Index.PositionBefore(offset));
        while (scan.MoveNext())
        {
            if (scan.Header.NextOffset > offset)
            {
                position = scan.Position;
                return true;
            }
        }
        // the headers were whole when they were written or recovered
        _damage = LogDamagedException.At(segment.Path, scan.Position).Message;
        _log.PartitionDamaged(_name, _damage);
        position = 0;
        return false;
    }

    // the index knows enough batch borders to cut by: an answer that ends inside a batch would be sent in vain
    private static int WholeBatches(Segment segment, int position, int bytesMax, bool atLeastOneBatch)
    {
        if (segment.Length - position <= bytesMax)
        {
            return segment.Length;
        }
        var border = segment.Index.BorderBefore(position + (long)bytesMax);
        if (border > position)
        {
            return border;
        }
        using var scan = segment.Scan(position);
        var end = position;
        while (scan.MoveNext() && (scan.Next - position <= bytesMax || (atLeastOneBatch && end == position)))
        {
            end = scan.Next;
        }
        return end;
    }

    private void RollIfDue(int bytes)
    {
        var isFull = Active.Length + (long)bytes > _config.SegmentBytes;
        var isOld = (_clock.GetUtcNow() - Active.Created).TotalMilliseconds > _config.SegmentMs;
        if (Active.Length > 0 && (isFull || isOld))
        {
            Roll();
            DeleteExpired();
        }
    }

    private void Roll()
    {
        Active.SaveIndex();
        _segments.Add(Segment.Create(_folder, _nextOffset, _clock.GetUtcNow()));
        Checkpoint();
    }

    private void DeleteExpired()
    {
        var total = _segments.Sum(s => (long)s.Length);
        while (_segments.Count > 1)
        {
            var oldest = _segments[0];
            var isOld = _config.RetentionMs >= 0 && Now - oldest.Index.MaxTimestamp > _config.RetentionMs;
            var isBeyond = _config.RetentionBytes >= 0 && total - oldest.Length >= _config.RetentionBytes;
            if (!isOld && !isBeyond)
            {
                return;
            }
            total -= oldest.Length;
            oldest.Delete();
            _segments.RemoveAt(0);
            _log.SegmentDeleted(_name, oldest.BaseOffset, _segments[0].BaseOffset);
        }
    }

    private void CheckpointIfDue(int bytes)
    {
        _bytesSinceCheckpoint += bytes;
        if (_bytesSinceCheckpoint >= BytesBetweenCheckpoints)
        {
            Checkpoint();
        }
    }

    // saves time at the next start; without it more is read again, nothing is lost
    private void Checkpoint()
    {
        _bytesSinceCheckpoint = 0;
        _producers.Expire(Now);
        try
        {
            Active.SaveIndex();
            SealedFile.Replace(Path.Combine(_folder, LogCheckpoint.FileName), new LogCheckpoint(Active.BaseOffset, Active.Length, _nextOffset, _producers).ToBytes());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            WriteFailed(e);
        }
    }

    // producers try again many times a second: the change is news, each failure is not
    private void WriteFailed(Exception e)
    {
        if (!_writesFail)
        {
            _writesFail = true;
            _log.WriteFailed(_name, e.Message);
        }
    }

    private void WriteSucceeded()
    {
        if (_writesFail)
        {
            _writesFail = false;
            _log.WritesAgain(_name);
        }
    }
}
