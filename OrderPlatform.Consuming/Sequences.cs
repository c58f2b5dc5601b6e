namespace OrderPlatform.Consuming;

/// <summary>
/// The rule by which every sink drops repeats and sees gaps. A store keeps the last sequence of each aggregate together with its
/// data; what is not above it is a repeat, and what is not the next one leaves a gap.
/// </summary>
public static class Sequences
{
    /// <summary>Takes an event that the store does not have yet; from then on it is its aggregate's last one.</summary>
    /// <param name="last">The last sequence of each aggregate, in the store and in the batch so far.</param>
    /// <param name="missing">Events of the aggregate between the last one and this one: 0 when there is no gap.</param>
    /// <returns>False for a repeat: nothing is changed.</returns>
    public static bool TakeNew(this IDictionary<string, int> last, string aggregate, int sequence, out int missing)
    {
        last.TryGetValue(aggregate, out var known);
        missing = Math.Max(0, sequence - known - 1);
        if (sequence <= known)
        {
            return false;
        }
        last[aggregate] = sequence;
        return true;
    }

    /// <summary>The same for a record, with a word about the gap that it leaves.</summary>
    public static bool TakeNew(this IDictionary<string, int> last, Record record, string projection, ILogger log)
    {
        var isNew = last.TakeNew(record.Key, record.Sequence, out var missing);
        if (missing > 0)
        {
            ProjectionLog.Gap(log, projection, record.Key, record.Sequence - missing - 1, record.Sequence);
        }
        return isNew;
    }
}
