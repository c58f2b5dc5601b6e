using System.Text.Json;
using Confluent.Kafka;
using Npgsql;
using NpgsqlTypes;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Auditing;
using OrderPlatform.Contracts.Json;
using OrderPlatform.Projections.Auditing.Replay;
using OrderPlatform.Projections.OrderView;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Projections.Auditing;

/// <summary>The order view with order.events: rows and progress are read in one snapshot, and the orders replayed up to exactly that progress.</summary>
internal sealed class OrderViewAudit(
    [FromKeyedServices(Connections.Views)] NpgsqlDataSource views, [FromKeyedServices(Connections.Orders)] NpgsqlDataSource orders, IConfiguration configuration, Lag lag) : IAudit
{
    private const string Projection = "order-view";

    /// <inheritdoc />
    public string Name => AuditNames.OrderView;

    /// <inheritdoc />
    public async Task RunAsync(Findings findings, CancellationToken cancellation)
    {
        await using var connection = await views.OpenConnectionAsync(cancellation);
        await using var snapshot = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, cancellation);
        var progress = await PostgresProgress.LoadAsync(connection, Projection, cancellation);
        long[] vector = [.. Enumerable.Range(0, Topics.Partitions).Select(partition => progress.GetValueOrDefault(new TopicPartition(Topics.OrderEvents, partition)))];
        findings.Vector[Topics.OrderEvents] = vector;
        using var replay = new OrderReplay(configuration.Required(Connections.Kafka), orders, Projection);
        await lag.CheckAsync(Projection, Topics.OrderEvents, vector, await replay.EndAsync(cancellation), findings, cancellation);
        await replay.AdvanceAsync(vector, cancellation);
        await using var command = new NpgsqlCommand($"SELECT order_id, {OrderRows.Columns}, search_text FROM order_view", connection) { CommandTimeout = 0 };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await OrderRows.CompareAsync(reader, replay.Orders, Projection, findings, row => WrongSearchText(row, reader.GetString(9)), cancellation);
    }

    /// <inheritdoc />
    public async Task<IReadOnlyList<string>> RepairAsync(IReadOnlyList<Violation> violations, CancellationToken cancellation)
    {
        var done = new List<string>();
        foreach (var violation in violations)
        {
            done.Add(Guid.TryParse(violation.Row, out var id)
                ? await RewriteAsync(id, violation.Sequence ?? 0, cancellation)
                : "not repaired: the projection itself is behind; its health says why");
        }
        return done;
    }

    private static string? WrongSearchText(OrderRow row, string text) =>
        OrderViewRow.SearchTextOf(row.Id, row.State.CustomerId, row.Items) == text ? null : $"the search text {text}";

    // The row as the replay makes it, no further than the projection has come with the order: what comes then goes on from there.
    private async Task<string> RewriteAsync(Guid id, int sequence, CancellationToken cancellation)
    {
        var events = await LoggedOrder.ReadAsync(orders, id, cancellation);
        await using var connection = await views.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        await PostgresProgress.HoldAsync(connection, Projection, cancellation);
        await using var delete = new NpgsqlCommand("DELETE FROM order_view WHERE order_id = $1 RETURNING version", connection) { Parameters = { new() { Value = id } } };
        var version = Math.Min(Math.Max(sequence, await delete.ExecuteScalarAsync(cancellation) as int? ?? 0), events.Count);
        if (version > 0)
        {
            await InsertAsync(connection, id, [.. events.Take(version)], cancellation);
        }
        await transaction.CommitAsync(cancellation);
        return version > 0 ? $"rewritten at version {version}" : "removed";
    }

    private static async Task InsertAsync(NpgsqlConnection connection, Guid id, IReadOnlyList<LoggedEvent> events, CancellationToken cancellation)
    {
        var last = events[^1];
        var items = events.Select(logged => OrderState.ItemsOf(logged.Happened)).Last(lines => lines is not null)!;
        await using var insert = new NpgsqlCommand(
            """
            INSERT INTO order_view (order_id, customer_id, currency, status, total_amount, version, items, created_at, updated_at, search_text)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            """,
            connection)
        {
            Parameters =
            {
                new() { Value = id }, new() { Value = last.Happened.CustomerId }, new() { Value = last.Happened.Currency }, new() { Value = last.Happened.NewStatus.ToString() },
                new() { Value = last.Happened.TotalAmount }, new() { Value = last.Sequence },
                new() { Value = JsonSerializer.SerializeToUtf8Bytes(items, PlatformJson.Options), NpgsqlDbType = NpgsqlDbType.Jsonb },
                new() { Value = last.Happened.OrderedAt }, new() { Value = last.OccurredAt }, new() { Value = OrderViewRow.SearchTextOf(id, last.Happened.CustomerId, items) },
            },
        };
        await insert.ExecuteNonQueryAsync(cancellation);
    }
}
