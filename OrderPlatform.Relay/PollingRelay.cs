using Npgsql;
using OrderPlatform.Relay.Publishing;
using OrderPlatform.Relay.Reading;

namespace OrderPlatform.Relay;

/// <summary>Publishes by polling: reads the log by snapshots and moves the checkpoint after the acknowledgement, while the next piece is read.</summary>
/// <param name="reading">The connection that reads, for this alone: what its snapshots show is published.</param>
internal sealed class PollingRelay(NpgsqlConnection reading, EventPublisher publisher, CheckpointStore checkpoints, RelayOptions options, RelayState state)
{
    /// <summary>Publishes what is beyond the checkpoint, until it is told that it is enough.</summary>
    /// <param name="isEnough">Asked after each batch that ends a window, with the number of its events.</param>
    /// <returns>The checkpoint after that window; it need not have been saved.</returns>
    public async Task<Checkpoint> RunAsync(Checkpoint done, Func<int, bool> isEnough, CancellationToken cancellation)
    {
        var unsaved = false;
        var pause = options.ShortestPause;
        var next = PollingReader.ReadAsync(reading, done, options.BatchSize, cancellation);
        try
        {
            while (true)
            {
                var batch = await next;
                var isAtEnd = batch.Events.Count < options.BatchSize;
                if (!isAtEnd)
                {
                    next = PollingReader.ReadAsync(reading, batch.After, options.BatchSize, cancellation);
                }
                await publisher.SendAsync(batch.Events, () => Published(batch), cancellation);
                if (isAtEnd)
                {
                    await publisher.FinishAsync(cancellation);
                }
                if (unsaved && (batch.Events.Count == 0 || checkpoints.IsDue))
                {
                    await checkpoints.SaveAsync(done, slot: null, cancellation);
                    unsaved = false;
                }
                if (!isAtEnd)
                {
                    continue;
                }
                if (isEnough(batch.Events.Count))
                {
                    return done;
                }
                await Task.Delay(pause, cancellation);
                pause = batch.Events.Count > 0 ? options.ShortestPause : Longer(pause);
                next = PollingReader.ReadAsync(reading, done, options.BatchSize, cancellation);
            }
        }
        finally
        {
            await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // the connection is free again
        }

        void Published(LogBatch batch)
        {
            done = batch.After;
            unsaved |= batch.Events.Count > 0;
            state.Progressed();
        }
    }

    private TimeSpan Longer(TimeSpan pause) => pause * 1.5 < options.LongestPause ? pause * 1.5 : options.LongestPause;
}
