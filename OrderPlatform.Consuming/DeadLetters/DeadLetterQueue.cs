using Confluent.Kafka;
using Npgsql;

namespace OrderPlatform.Consuming.DeadLetters;

/// <summary>
/// The dead letters of one consumer: decides of each record whether the sink gets it, parks what it must not get, and gives
/// parked records back, in the order of their key (docs/decisions/0011 goes through every crash). Not for several threads.
/// </summary>
internal sealed class DeadLetterQueue(string consumer, NpgsqlDataSource orders, IConfiguration configuration, ILogger log) : IDisposable
{
    private const int MaxDue = 100; // copies at once: they are in memory with their values

    private readonly DeadLetterTable _table = new(orders, consumer);
    private readonly DeadLetterTopics _topics = new(configuration, TimeProvider.System);
    private readonly ParkedKeys _parked = new();
    private Dictionary<TopicPartition, long> _lettersUntil = [];
    private Dictionary<TopicPartition, DateTimeOffset> _parkedSince = [];

    /// <summary>When the oldest parked record of each partition was published: the store is complete up to there, no further.</summary>
    public IReadOnlyDictionary<TopicPartition, DateTimeOffset> ParkedSince => _parkedSince;

    /// <summary>Called after each step: where tests break it off.</summary>
    public Action<DeadLetterStep> Reached { get; set; } = _ => { };

    /// <summary>Partitions were taken over: what is parked may be another consumer's work.</summary>
    public async Task ResumeAsync(CancellationToken cancellation)
    {
        _parked.Clear();
        await _table.ReadParkedKeysAsync(_parked.Add, cancellation);
        _lettersUntil = await _table.LastOffsetsAsync(cancellation);
        _parkedSince = await _table.OldestAsync(cancellation);
    }

    /// <summary>What the sink gets of these records, in their order. The rest is parked, or was before, or is somebody else's copy.</summary>
    public async Task<IReadOnlyList<ArrivedRecord>> AdmitAsync(IReadOnlyList<ArrivedRecord> arrived, CancellationToken cancellation)
    {
        var letters = await LettersAmongAsync(arrived, cancellation);
        var admitted = new List<ArrivedRecord>(arrived.Count);
        foreach (var record in arrived)
        {
            if (!letters.Contains(record.Source) && await IsAdmittedAsync(record, cancellation))
            {
                admitted.Add(record);
            }
        }
        return admitted;
    }

    /// <summary>Parks a record that the sink refuses for what it is. A copy's letter is open again, at its place.</summary>
    public async Task ParkAsync(ArrivedRecord record, string error, CancellationToken cancellation)
    {
        var copy = record.Redriven;
        await PublishParkedAsync(record, error, copy is null ? 1 : await _table.AttemptsAsync(copy.Letter, cancellation) + 1, cancellation);
        Reached(DeadLetterStep.Published);
        if (copy is null)
        {
            await _table.InsertFailedAsync(record, error, cancellation);
        }
        else
        {
            await _table.FailAgainAsync(copy, record.Source.Offset.Value, error, cancellation);
        }
        Parked(record);
        ProjectionLog.Parked(log, consumer, record.Key, record.Source.ToString(), error);
        Reached(DeadLetterStep.Parked);
    }

    /// <summary>Publishes the letters whose turn it is. Called about once a second.</summary>
    /// <param name="held">The partitions that this consumer holds: another one redrives the letters of the others.</param>
    public async Task RedriveAsync(IReadOnlyCollection<TopicPartition> held, CancellationToken cancellation)
    {
        _parkedSince = await _table.OldestAsync(cancellation);
        if (_parkedSince.Count == 0)
        {
            _parked.Clear();
            return;
        }
        if (!_parked.Any)
        {
            await _table.ReadParkedKeysAsync(_parked.Add, cancellation);
        }
        foreach (var letter in await _table.DueAsync(held, MaxDue, cancellation))
        {
            try
            {
                await _topics.PublishCopyAsync(letter, cancellation);
                Reached(DeadLetterStep.Copied);
                await _table.SentAsync(letter.Copy, cancellation);
                Reached(DeadLetterStep.Sent);
            }
            catch (KafkaException e) when (Poison.IsRefusal(e.Error))
            {
                await _table.FailAgainAsync(letter.Copy, offset: null, $"Kafka refuses it: {e.Error.Reason}", cancellation);
                return; // those behind it are not due any more
            }
        }
    }

    /// <inheritdoc />
    public void Dispose() => _topics.Dispose();

    // What is read again, after a restart or for a rebuild, is not taken the second time either: its copy is.
    private async Task<HashSet<TopicPartitionOffset>> LettersAmongAsync(IReadOnlyList<ArrivedRecord> arrived, CancellationToken cancellation)
    {
        var early = arrived.Where(record => _lettersUntil.TryGetValue(record.Source.TopicPartition, out var until) && record.Source.Offset.Value <= until).Select(record => record.Source).ToList();
        return early.Count == 0 ? [] : await _table.LettersAsync(early, cancellation);
    }

    private async Task<bool> IsAdmittedAsync(ArrivedRecord record, CancellationToken cancellation)
    {
        if (record.Redriven is { } copy)
        {
            if (copy.Consumer != consumer || !await _table.TryTakeAsync(copy, record.Source.Offset.Value, cancellation))
            {
                return false;
            }
            Reached(DeadLetterStep.Taken);
        }
        else if (_parked.Any && _parked.MayHold(record.Source.Topic, record.Key) && await IsParkedBehindAsync(record, cancellation))
        {
            return false;
        }
        if (record.Record is not null)
        {
            return true;
        }
        await ParkAsync(record, record.Problem, cancellation);
        return false;
    }

    private async Task<bool> IsParkedBehindAsync(ArrivedRecord record, CancellationToken cancellation)
    {
        if (!await _table.StandsBehindAsync(record, cancellation))
        {
            return false;
        }
        await PublishParkedAsync(record, "An earlier record of this key is parked.", attempts: 0, cancellation);
        Reached(DeadLetterStep.Published);
        // the key may have been freed in this moment: then the record goes on
        var parked = await _table.TryInsertWaitingAsync(record, cancellation);
        Reached(DeadLetterStep.Parked);
        return parked;
    }

    private void Parked(ArrivedRecord record)
    {
        _parked.Add(record.Source.Topic, record.Key);
        _parkedSince[record.Source.TopicPartition] = _parkedSince.TryGetValue(record.Source.TopicPartition, out var since) && since < record.PublishedAt ? since : record.PublishedAt;
    }

    // The table is what letters are redriven from. A record that is too large for its dead-letter topic is in the table alone.
    private async Task PublishParkedAsync(ArrivedRecord record, string error, int attempts, CancellationToken cancellation)
    {
        try
        {
            await _topics.PublishParkedAsync(record, consumer, error, attempts, cancellation);
        }
        catch (KafkaException e) when (Poison.IsRefusal(e.Error))
        {
            ProjectionLog.TooLargeForDeadLetters(log, consumer, record.Source.ToString(), e.Error.Reason);
        }
    }
}

/// <summary>The steps of a letter's life. A crash between any two of them is tested.</summary>
internal enum DeadLetterStep
{
    /// <summary>The record is in the dead-letter topic.</summary>
    Published,

    /// <summary>The letter is in the table.</summary>
    Parked,

    /// <summary>The letter's copy is in its topic again.</summary>
    Copied,

    /// <summary>The table says so.</summary>
    Sent,

    /// <summary>The copy is let through to the sink.</summary>
    Taken,
}
