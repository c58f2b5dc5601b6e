using NpgsqlTypes;

namespace OrderPlatform.Relay.Tables;

/// <summary>
/// A chunk of a table between two watermarks. What the stream tells of a key between them may be newer than what was read, so such a
/// key's row is dropped: the stream has told it.
/// </summary>
/// <param name="key">Names of the primary key's columns.</param>
internal sealed class SnapshotWindow(TableName table, IReadOnlyList<string> key)
{
    private readonly TaskCompletionSource _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _published = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile IReadOnlyList<TableChange> _read = [];
    private HashSet<string>? _changed;
    private bool _truncated;

    /// <summary>Names it in its watermarks.</summary>
    public Guid Id { get; } = Guid.NewGuid();

    /// <summary>Completed once the low watermark has come: PostgreSQL shows to everybody what stands before it.</summary>
    public Task Opened => _opened.Task;

    /// <summary>Completed once the chunk is published.</summary>
    public Task Published => _published.Task;

    /// <summary>What was read. Given before the high watermark is written.</summary>
    public void Read(IReadOnlyList<TableChange> changes) => _read = changes;

    /// <summary>The low watermark has come.</summary>
    public void Open()
    {
        _changed = [];
        _opened.SetResult();
    }

    /// <summary>The stream has told a change.</summary>
    public void Passed(TableChange change)
    {
        if (_changed is null || change.Table != table)
        {
            return;
        }
        _truncated |= change.Operation == Operation.Truncate;
        foreach (var row in (TableRow?[])[change.Before, change.After])
        {
            if (row is not null)
            {
                _changed.Add(DebeziumEnvelope.KeyText(row, key));
            }
        }
    }

    /// <summary>The high watermark has come.</summary>
    /// <param name="commit">Its commit: all that was read is from before it, and what comes now is newer.</param>
    /// <returns>What was read and has not changed since.</returns>
    public IEnumerable<TableChange> Close(NpgsqlLogSequenceNumber commit) =>
        _truncated ? []
        : _read.Where(change => !_changed!.Contains(DebeziumEnvelope.KeyText((change.After ?? change.Before)!, key))).Select(change => change with { Source = change.Source with { Commit = commit } });

    /// <summary>What is left of it is acknowledged.</summary>
    public void Acknowledge() => _published.SetResult();
}
