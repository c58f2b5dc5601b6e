using OrderPlatform.Engines.Kafka.Protocol;

namespace OrderPlatform.Engines.Kafka.Storage;

/// <summary>A partition's log as it was found on disk.</summary>
/// <param name="Segments">Oldest first, at least one.</param>
/// <param name="CutBytes">Bytes of a torn write that were cut off <paramref name="CutPath"/>.</param>
internal sealed record RecoveredLog(List<Segment> Segments, long NextOffset, ProducerStates Producers, int CutBytes, string CutPath);

/// <summary>
/// Opens a partition's log after any end of the process. What lies before the checkpoint is taken as it is; what lies
/// behind it is read batch by batch, with CRC and offsets checked. A write that the end of the process tore leaves broken
/// bytes at the very end: they were never acknowledged and are cut. Broken bytes anywhere else are damage and are kept.
/// </summary>
internal static class LogRecovery
{
    /// <exception cref="LogDamagedException">Acknowledged data is damaged.</exception>
    public static RecoveredLog Open(string folder, TimeProvider clock)
    {
        var paths = Directory.GetFiles(folder, "*.log");
        Array.Sort(paths, StringComparer.Ordinal);
        if (paths.Length == 0)
        {
            return new RecoveredLog([Segment.Create(folder, 0, clock.GetUtcNow())], 0, new ProducerStates(), 0, "");
        }

        var segments = new List<Segment>(paths.Length);
        try
        {
            segments.AddRange(paths.Select(Segment.Open));
            return Recover(segments, LogCheckpoint.FromBytes(SealedFile.TryRead(Path.Combine(folder, LogCheckpoint.FileName))), clock.GetUtcNow().ToUnixTimeMilliseconds());
        }
        catch
        {
            segments.ForEach(s => s.Release());
            throw;
        }
    }

    private static RecoveredLog Recover(List<Segment> segments, LogCheckpoint? checkpoint, long now)
    {
        var checkedSegment = segments.FindIndex(s => s.BaseOffset == checkpoint?.SegmentBaseOffset);
        if (checkedSegment < 0)
        {
            checkpoint = new LogCheckpoint(segments[0].BaseOffset, 0, segments[0].BaseOffset, new ProducerStates());
            checkedSegment = 0;
        }
        foreach (var closed in segments[..checkedSegment])
        {
            if (!closed.TryLoadIndex(closed.Length))
            {
                closed.Reindex(closed.Length);
            }
        }

        var (nextOffset, cut) = (checkpoint!.NextOffset, 0);
        foreach (var segment in segments[checkedSegment..])
        {
            var verified = segment == segments[checkedSegment] ? checkpoint.Position : 0;
            if (verified > segment.Length || (verified == 0 && segment.BaseOffset != nextOffset))
            {
                throw LogDamagedException.At(segment.Path, segment.Length);
            }
            if (verified > 0 && !segment.TryLoadIndex(verified))
            {
                segment.Reindex(verified);
            }
            cut = Verify(segment, verified, isLast: segment == segments[^1], ref nextOffset, checkpoint.Producers, now);
        }
        return new RecoveredLog(segments, nextOffset, checkpoint.Producers, cut, segments[^1].Path);
    }

    // reads on from a border; gives the number of bytes cut off as a torn tail
    private static int Verify(Segment segment, int position, bool isLast, ref long nextOffset, ProducerStates producers, long now)
    {
        int good;
        using (var scan = segment.Scan(position, verify: true))
        {
            while (scan.MoveNext() && scan.Header.BaseOffset == nextOffset)
            {
                segment.Index.Add(nextOffset, scan.Position, scan.Header.MaxTimestamp);
                producers.Appended(scan.Header, now);
                nextOffset = scan.Header.NextOffset;
            }
            good = scan.Position;
        }
        var broken = segment.Length - good;
        if (broken == 0)
        {
            return 0;
        }
        if (!isLast || HasBatchBehind(segment, good + 1, nextOffset))
        {
            throw LogDamagedException.At(segment.Path, good);
        }
        segment.CutTo(good);
        return broken;
    }

    // a whole batch with a true CRC and a later offset behind broken bytes: those were acknowledged once
    private static bool HasBatchBehind(Segment segment, int from, long nextOffset)
    {
        const int Window = 64 * 1024;
        var window = new byte[Window + RecordBatchHeader.Size];
        for (var at = from; at + RecordBatchHeader.Size <= segment.Length; at += Window)
        {
            var read = segment.Read(window, at);
            for (var i = 0; i < Window && i + RecordBatchHeader.Size <= read; i++)
            {
                var header = RecordBatchHeader.Read(window.AsSpan(i));
                if (header.Magic == 2 && header.BaseOffset >= nextOffset && header.Length >= RecordBatchHeader.Size && header.Length <= segment.Length - at - i)
                {
                    using var scan = segment.Scan(at + i, verify: true);
                    if (scan.MoveNext())
                    {
                        return true;
                    }
                }
            }
        }
        return false;
    }
}
