using System.Text.Json;
using Confluent.Kafka;
using Npgsql;
using NpgsqlTypes;
using OrderPlatform.Contracts.Json;
using OrderPlatform.Consuming;

namespace OrderPlatform.Projections.SalesFacts;

/// <summary>Keeps the plan and the progress in PostgreSQL, moved together. Every change names the plan that it follows, so that only one writer can make it.</summary>
internal sealed class PlanStore(NpgsqlDataSource source, string projection)
{
    /// <summary>Where the writing stands; the first call makes the row.</summary>
    public async Task<PlanState> LoadAsync(CancellationToken cancellation)
    {
        while (true)
        {
            await using (var select = source.CreateCommand("SELECT generation, number, facts, pending, greatest(now() - recorded_at, interval '0') FROM sales_facts_plan WHERE projection = $1"))
            {
                select.Parameters.Add(Value(projection));
                await using var reader = await select.ExecuteReaderAsync(cancellation);
                if (await reader.ReadAsync(cancellation))
                {
                    return new PlanState(
                        reader.GetGuid(0), reader.GetInt64(1), reader.GetInt64(2),
                        reader.IsDBNull(3) ? null : JsonSerializer.Deserialize<Plan>(reader.GetString(3), PlatformJson.Options), reader.GetTimeSpan(4));
                }
            }
            await using var insert = source.CreateCommand("INSERT INTO sales_facts_plan (projection, generation) VALUES ($1, gen_random_uuid()) ON CONFLICT DO NOTHING");
            insert.Parameters.Add(Value(projection));
            await insert.ExecuteNonQueryAsync(cancellation);
        }
    }

    /// <summary>The next offset of each partition that has one.</summary>
    public async Task<IReadOnlyDictionary<TopicPartition, long>> ProgressAsync(CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        return await PostgresProgress.LoadAsync(connection, projection, cancellation);
    }

    /// <summary>Records a plan and moves the progress over its records.</summary>
    /// <param name="before">What the plan was made on.</param>
    /// <param name="progress">Where the partitions stand; moved once the plan is recorded.</param>
    /// <returns>The state with the plan pending; null when somebody else has recorded one since <paramref name="before"/>.</returns>
    /// <exception cref="ProgressLostException">Another consumer has the partitions.</exception>
    public async Task<PlanState?> TryRecordAsync(PlanState before, Plan plan, IReadOnlyList<Record> records, Dictionary<TopicPartition, long> progress, CancellationToken cancellation)
    {
        var moved = new Dictionary<TopicPartition, long>(progress);
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        await using (var record = new NpgsqlCommand(
            "UPDATE sales_facts_plan SET number = number + 1, pending = $4, recorded_at = now() WHERE projection = $1 AND generation = $2 AND number = $3 AND pending IS NULL", connection)
        {
            Parameters = { Value(projection), Value(before.Generation), Value(before.Number), Json(plan) },
        })
        {
            if (await record.ExecuteNonQueryAsync(cancellation) == 0)
            {
                return null;
            }
        }
        await PostgresProgress.MoveAsync(connection, projection, records, moved, cancellation);
        await transaction.CommitAsync(cancellation);
        foreach (var (partition, next) in moved)
        {
            progress[partition] = next;
        }
        return before with { Number = before.Number + 1, Pending = plan };
    }

    /// <summary>The pending plan is done: whoever comes first says so. If a crash forgets it, the plan is finished once more, which changes nothing: it need not wait for the disk.</summary>
    public async Task FinishAsync(PlanState done, CancellationToken cancellation)
    {
        await using var batch = source.CreateBatch();
        batch.BatchCommands.Add(new NpgsqlBatchCommand("SELECT set_config('synchronous_commit', 'off', true)"));
        batch.BatchCommands.Add(new NpgsqlBatchCommand("UPDATE sales_facts_plan SET pending = NULL, facts = facts + $4 WHERE projection = $1 AND generation = $2 AND number = $3 AND pending IS NOT NULL")
        {
            Parameters = { Value(projection), Value(done.Generation), Value(done.Number), Value((long)done.Pending!.Facts) },
        });
        await batch.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>The pending plan can never be done: nothing is pending any more, and the progress is where it was before. Its number is not used again.</summary>
    /// <param name="progress">Where the partitions stand; moved back with it.</param>
    public async Task TakeBackAsync(PlanState refused, string topic, Dictionary<TopicPartition, long> progress, CancellationToken cancellation)
    {
        var ranges = refused.Pending!.Ranges;
        await using var command = source.CreateCommand(
            """
            WITH back AS (UPDATE sales_facts_plan SET pending = NULL WHERE projection = $1 AND generation = $2 AND number = $3 AND pending IS NOT NULL RETURNING projection)
            UPDATE projection_progress SET next_offset = planned.first FROM back, unnest($5, $6) AS planned (partition, first)
            WHERE projection_progress.projection = back.projection AND topic = $4 AND projection_progress.partition = planned.partition
            """);
        command.Parameters.AddRange((NpgsqlParameter[])
        [
            Value(projection), Value(refused.Generation), Value(refused.Number), Value(topic),
            Value(ranges.Select(range => range.Partition).ToArray()), Value(ranges.Select(range => range.From).ToArray()),
        ]);
        await command.ExecuteNonQueryAsync(cancellation);
        foreach (var range in ranges)
        {
            var partition = new TopicPartition(topic, range.Partition);
            if (progress.TryGetValue(partition, out var next) && next == range.To)
            {
                progress[partition] = range.From;
            }
        }
    }

    /// <summary>Records a rebuild from the beginning: a new generation, no progress, nothing complete.</summary>
    /// <returns>False when the state is not <paramref name="found"/> any more: look again.</returns>
    public async Task<bool> TryRecordRebuildAsync(PlanState found, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand(
            """
            WITH rebuild AS (
                UPDATE sales_facts_plan SET generation = gen_random_uuid(), number = number + 1, facts = 0, pending = $5, recorded_at = now()
                WHERE projection = $1 AND generation = $2 AND number = $3 AND (pending IS NOT NULL) = $4 RETURNING projection),
            progress AS (DELETE FROM projection_progress USING rebuild WHERE projection_progress.projection = rebuild.projection),
            completeness AS (DELETE FROM projection_completeness USING rebuild WHERE projection_completeness.projection = rebuild.projection)
            SELECT count(*) FROM rebuild
            """);
        command.Parameters.AddRange((NpgsqlParameter[])[Value(projection), Value(found.Generation), Value(found.Number), Value(found.Pending is not null), Json(Plan.Rebuild)]);
        return await command.ExecuteScalarAsync(cancellation) is 1L;
    }

    private static NpgsqlParameter Value(object value) => new() { Value = value };

    private static NpgsqlParameter Json(Plan plan) => new() { Value = JsonSerializer.SerializeToUtf8Bytes(plan, PlatformJson.Options), NpgsqlDbType = NpgsqlDbType.Jsonb };
}
