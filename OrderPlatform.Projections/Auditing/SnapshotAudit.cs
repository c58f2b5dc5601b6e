using System.Data;
using Npgsql;

namespace OrderPlatform.Projections.Auditing;

/// <summary>A rule that the orders database must hold.</summary>
/// <param name="Store">What breaks it.</param>
/// <param name="Kind">How.</param>
/// <param name="Sql">Gives what breaks it: its id, what is expected, what is found. $1 is a time: what happened before it is due.</param>
internal sealed record Rule(string Store, ViolationKind Kind, string Sql);

/// <summary>Rules within the orders database, all checked in one snapshot.</summary>
/// <param name="compared">Counts what the rules are about.</param>
internal abstract class SnapshotAudit(NpgsqlDataSource orders, TimeProvider clock, TimeSpan bound, string compared, IReadOnlyList<Rule> rules) : IAudit
{
    /// <inheritdoc />
    public abstract string Name { get; }

    /// <inheritdoc />
    public async Task RunAsync(Findings findings, CancellationToken cancellation)
    {
        await using var connection = await orders.OpenConnectionAsync(cancellation);
        await using var snapshot = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellation);
        await using var count = new NpgsqlCommand(compared, connection);
        findings.Compared = (long)(await count.ExecuteScalarAsync(cancellation))!;
        foreach (var rule in rules)
        {
            await using var command = new NpgsqlCommand(rule.Sql, connection) { CommandTimeout = 0, Parameters = { new() { Value = clock.GetUtcNow() - bound } } };
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            while (await reader.ReadAsync(cancellation))
            {
                findings.Add(rule.Store, rule.Kind, reader.GetString(0), reader.GetString(1), reader.GetString(2));
            }
        }
    }

    /// <inheritdoc />
    public Task<IReadOnlyList<string>> RepairAsync(IReadOnlyList<Violation> violations, CancellationToken cancellation) => Task.FromResult<IReadOnlyList<string>>(
        [.. violations.Select(_ => "not repaired: it is a source itself, written together with its events; nothing else says what it must be. The order's events and GET /orders/{id}/saga tell what happened")]);

    /// <summary>A participant's row says how many events its stream has.</summary>
    protected static Rule SequenceOf(string table, string topic) => new(table, ViolationKind.Altered,
        $"""
        SELECT order_id::text, format('%s events', coalesce(last, 0)), coalesce(format('%s events', sequence), 'nothing')
        FROM {table} FULL JOIN (SELECT key::uuid AS order_id, max(sequence) AS last FROM event_log WHERE topic = '{topic}' AND stream LIKE '{table}/%' GROUP BY key) AS stream USING (order_id)
        WHERE coalesce(last, 0) IS DISTINCT FROM sequence AND $1 IS NOT NULL
        """);
}
