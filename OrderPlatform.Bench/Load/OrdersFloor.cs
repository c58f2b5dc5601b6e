using System.Text;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Json;

namespace OrderPlatform.Bench.Load;

/// <summary>What writing an order takes at the least: the statements of an order that is placed alone, by Npgsql, prepared, one transaction each.</summary>
internal sealed class OrdersFloor : IAsyncDisposable
{
    // tables of its own with the same indexes: what it writes is no order
    private const string OwnTables =
        """
        CREATE SCHEMA bench;
        CREATE TABLE bench.orders (LIKE public.orders INCLUDING ALL) WITH (fillfactor = 85);
        CREATE TABLE bench.idempotency (LIKE public.idempotency INCLUDING ALL);
        CREATE TABLE bench.event_log (LIKE public.event_log INCLUDING ALL);
        CREATE UNIQUE INDEX ON bench.event_log (stream, sequence);
        """;

    private static readonly OrderItem[] Items = [new("p-17", 2, 11.77m), new("p-40", 1, 3.20m)];
    private static readonly byte[] ItemsJson = JsonSerializer.SerializeToUtf8Bytes(Items, PlatformJson.Options);

    // an order's event and its answer are about as long
    private static readonly byte[] EventJson = JsonSerializer.SerializeToUtf8Bytes(
        new OrderCreated
        {
            OrderId = Guid.Empty.ToString(), CustomerId = "c-1", Currency = "USD", OrderedAt = DateTimeOffset.UnixEpoch, OldStatus = null, NewStatus = OrderStatus.Pending, TotalAmount = 26.74m,
            OrdersDifference = 1, AmountDifference = 26.74m, Products = [new("p-17", 2, 23.54m), new("p-40", 1, 3.20m)], Items = Items,
        },
        PlatformJson.Options);

    private readonly NpgsqlDataSource _source;

    private OrdersFloor(NpgsqlDataSource source) => _source = source;

    /// <summary>Makes its tables.</summary>
    public static async Task<OrdersFloor> CreateAsync(string database, int clients, CancellationToken cancellation)
    {
        await using (var admin = NpgsqlDataSource.Create(database))
        {
            await using var command = admin.CreateCommand(OwnTables);
            await command.ExecuteNonQueryAsync(cancellation);
        }
        // prepares as the platform's own clients do (ServiceDefaults, ClientExtensions)
        return new OrdersFloor(NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(database) { MaxPoolSize = clients, SearchPath = "bench", MaxAutoPrepare = 100, AutoPrepareMinUsages = 2 }));
    }

    /// <summary>Writes one order.</summary>
    public async Task PlaceAsync(CancellationToken cancellation)
    {
        var key = Guid.NewGuid().ToString();
        var order = Guid.CreateVersion7();
        var now = TimeProvider.System.GetUtcNow();
        await using var connection = await _source.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        await SendAsync(connection, cancellation,
            Command("SELECT pg_try_advisory_xact_lock($1)", Of(BitConverter.ToInt64(order.ToByteArray(), 8))),
            Command("SELECT request_hash, status, headers::text, body FROM idempotency WHERE caller = $1 AND key = $2 AND expires_at > now()", Of("bench"), Of(key)));
        await SendAsync(connection, cancellation,
            Command(
                "INSERT INTO orders (id, customer_id, currency, status, total_amount, version, items, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                Of(order), Of("c-1"), Of("USD"), Of("Pending"), Of(26.74m), Of(1), Of(ItemsJson, NpgsqlDbType.Jsonb), Of(now), Of(now)),
            Command(
                "INSERT INTO event_log (stream, sequence, event_id, type, topic, key, occurred_at, traceparent, payload) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                Of($"order/{order}"), Of(1), Of(Guid.CreateVersion7()), Of("OrderCreated.v1"), Of("order.events"), Of($"{order}"), Of(now), Of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), Of(EventJson)));
        await SendAsync(connection, cancellation,
            Command(
                "INSERT INTO idempotency (caller, key, request_hash, status, headers, body, expires_at) VALUES ($1, $2, $3, 201, $4, $5, now() + interval '1 day') ON CONFLICT (caller, key) DO NOTHING",
                Of("bench"), Of(key), Of(new byte[32]), Of(Encoding.UTF8.GetBytes($$"""{"Location":"/orders/{{order}}","ETag":"\"1\""}"""), NpgsqlDbType.Jsonb), Of(EventJson)));
        await transaction.CommitAsync(cancellation);
    }

    /// <inheritdoc />
    public ValueTask DisposeAsync() => _source.DisposeAsync();

    private static async Task SendAsync(NpgsqlConnection connection, CancellationToken cancellation, params IReadOnlyList<NpgsqlBatchCommand> commands)
    {
        await using var batch = new NpgsqlBatch(connection);
        foreach (var command in commands)
        {
            batch.BatchCommands.Add(command);
        }
        await batch.ExecuteNonQueryAsync(cancellation);
    }

    private static NpgsqlBatchCommand Command(string sql, params ReadOnlySpan<NpgsqlParameter> values)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var value in values)
        {
            command.Parameters.Add(value);
        }
        return command;
    }

    private static NpgsqlParameter<T> Of<T>(T value) => new() { TypedValue = value };

    private static NpgsqlParameter<T> Of<T>(T value, NpgsqlDbType type) => new() { TypedValue = value, NpgsqlDbType = type };
}
