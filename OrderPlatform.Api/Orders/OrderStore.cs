using System.Diagnostics;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using OrderPlatform.Api.EventLog;
using OrderPlatform.Api.Http;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Json;

namespace OrderPlatform.Api.Orders;

/// <summary>Orders in PostgreSQL. A row is only ever written together with the event that explains it.</summary>
internal static class OrderStore
{
    private const string Columns = "id, customer_id, currency, status, total_amount, version, items::text, created_at, updated_at";

    /// <summary>Writes a new order and its first event.</summary>
    public static Task InsertAsync(NpgsqlConnection connection, Order order, OrderEvent happened, CancellationToken cancellation) =>
        InsertAsync(connection, [(order, happened, Activity.Current?.Id)], cancellation);

    /// <summary>Writes new orders and their first events.</summary>
    public static async Task InsertAsync(NpgsqlConnection connection, IReadOnlyList<(Order Order, OrderEvent Happened, string? TraceParent)> placed, CancellationToken cancellation)
    {
        if (placed.Count == 0)
        {
            return;
        }
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                Insert([.. placed.Select(one => one.Order)]),
                EventLogWriter.Append([.. placed.Select(one => new NewEvent(one.Order.Id, one.Order.Version, one.Order.UpdatedAt, one.Happened, one.TraceParent))]),
            },
        };
        await batch.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Takes the order's row and writes its new state and the event, unless somebody was faster.</summary>
    /// <returns>False when the order is not at the version before any more: nothing was written.</returns>
    public static async Task<bool> UpdateAsync(NpgsqlConnection connection, Order after, OrderEvent happened, CancellationToken cancellation)
    {
        await using var update = new NpgsqlCommand(
            "UPDATE orders SET status = $2, total_amount = $3, version = $4, items = $5, updated_at = $6 WHERE id = $1 AND version = $4 - 1",
            connection)
        {
            Parameters =
            {
                new NpgsqlParameter<Guid> { TypedValue = Guid.Parse(after.Id) },
                new NpgsqlParameter<string> { TypedValue = after.Status.ToString() },
                new NpgsqlParameter<decimal> { TypedValue = after.TotalAmount },
                new NpgsqlParameter<int> { TypedValue = after.Version },
                Items(after),
                new NpgsqlParameter<DateTimeOffset> { TypedValue = after.UpdatedAt },
            },
        };
        if (await update.ExecuteNonQueryAsync(cancellation) == 0)
        {
            return false;
        }
        await using var append = new NpgsqlBatch(connection) { BatchCommands = { EventLogWriter.Append(after.Id, after.Version, after.UpdatedAt, happened) } };
        await append.ExecuteNonQueryAsync(cancellation);
        return true;
    }

    /// <summary>Writes what happened to locked orders, in order: the events, and each order as its last one leaves it.</summary>
    public static async Task AppendAsync(NpgsqlConnection connection, IReadOnlyList<(Order After, OrderEvent Happened, string? TraceParent)> changes, CancellationToken cancellation)
    {
        if (changes.Count == 0)
        {
            return;
        }
        var last = changes.GroupBy(change => change.After.Id).Select(order => order.Last().After).ToList();
        await using var update = new NpgsqlCommand(
            """
            UPDATE orders SET status = new.status, version = new.version, updated_at = new.updated_at
            FROM unnest($1, $2, $3, $4) AS new (id, status, version, updated_at) WHERE orders.id = new.id
            """,
            connection)
        {
            Parameters =
            {
                new NpgsqlParameter<Guid[]> { TypedValue = [.. last.Select(order => Guid.Parse(order.Id))] },
                new NpgsqlParameter<string[]> { TypedValue = [.. last.Select(order => order.Status.ToString())] },
                new NpgsqlParameter<int[]> { TypedValue = [.. last.Select(order => order.Version)] },
                new NpgsqlParameter<DateTimeOffset[]> { TypedValue = [.. last.Select(order => order.UpdatedAt)] },
            },
        };
        await update.ExecuteNonQueryAsync(cancellation);
        await EventLogWriter.AppendAsync(connection, [.. changes.Select(change => new NewEvent(change.After.Id, change.After.Version, change.After.UpdatedAt, change.Happened, change.TraceParent))], cancellation);
    }

    /// <summary>The orders of these ids, locked for the transaction.</summary>
    public static async Task<List<Order>> LockAsync(NpgsqlConnection connection, Guid[] ids, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"SELECT {Columns} FROM orders WHERE id = ANY ($1) ORDER BY id FOR UPDATE", connection) { Parameters = { new NpgsqlParameter<Guid[]> { TypedValue = ids } } };
        return await ListAsync(command, cancellation);
    }

    /// <summary>Orders to which nothing has happened since a time and that are still pending, locked for the transaction; those that somebody else is at are left out.</summary>
    public static async Task<List<Order>> LockPendingSinceAsync(NpgsqlConnection connection, DateTimeOffset since, int limit, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"SELECT {Columns} FROM orders WHERE status = 'Pending' AND updated_at < $1 ORDER BY updated_at LIMIT $2 FOR UPDATE SKIP LOCKED", connection)
        {
            Parameters = { new NpgsqlParameter<DateTimeOffset> { TypedValue = since }, new NpgsqlParameter<int> { TypedValue = limit } },
        };
        return await ListAsync(command, cancellation);
    }

    /// <summary>The order of that id, or null.</summary>
    public static async Task<Order?> FindAsync(NpgsqlConnection connection, string id, CancellationToken cancellation)
    {
        if (!Guid.TryParseExact(id, "D", out var guid))
        {
            return null;
        }
        await using var command = new NpgsqlCommand($"SELECT {Columns} FROM orders WHERE id = $1", connection) { Parameters = { new NpgsqlParameter<Guid> { TypedValue = guid } } };
        return await SingleAsync(command, cancellation);
    }

    /// <summary>One page of orders, newest first.</summary>
    public static async Task<List<Order>> ListAsync(NpgsqlConnection connection, OrderFilter filter, OrderCursor? after, int limit, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(
            $"""
            SELECT {Columns} FROM orders
            WHERE ($1 IS NULL OR customer_id = $1) AND ($2 IS NULL OR status = $2)
              AND ($3 IS NULL OR created_at >= $3) AND ($4 IS NULL OR created_at < $4)
              AND ($5 IS NULL OR (created_at, id) < ($5, $6))
            ORDER BY created_at DESC, id DESC LIMIT $7
            """,
            connection)
        {
            Parameters =
            {
                Nullable(filter.CustomerId, NpgsqlDbType.Text), Nullable(filter.Status?.ToString(), NpgsqlDbType.Text),
                Nullable(filter.From, NpgsqlDbType.TimestampTz), Nullable(filter.To, NpgsqlDbType.TimestampTz),
                Nullable(after?.CreatedAt, NpgsqlDbType.TimestampTz), Nullable(after?.Id, NpgsqlDbType.Uuid),
                new NpgsqlParameter<int> { TypedValue = limit },
            },
        };
        return await ListAsync(command, cancellation);
    }

    /// <summary>The stream of the order of that id, in whatever case the id is written.</summary>
    /// <exception cref="ProblemException">404: no order has such an id.</exception>
    public static string StreamOf(string id) => Guid.TryParseExact(id, "D", out var guid)
        ? EventLogWriter.StreamOf(EventTypes.Order, guid.ToString("D"))
        : throw ProblemException.NotFound($"order {id}");

    private static async Task<Order?> SingleAsync(NpgsqlCommand command, CancellationToken cancellation)
    {
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        return await reader.ReadAsync(cancellation) ? Read(reader) : null;
    }

    private static async Task<List<Order>> ListAsync(NpgsqlCommand command, CancellationToken cancellation)
    {
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var orders = new List<Order>();
        while (await reader.ReadAsync(cancellation))
        {
            orders.Add(Read(reader));
        }
        return orders;
    }

    /// <summary>The order of a row that has the columns of an order, in their order.</summary>
    public static Order Read(NpgsqlDataReader reader) => new(
        reader.GetGuid(0).ToString("D"),
        reader.GetString(1),
        reader.GetString(2),
        Enum.Parse<OrderStatus>(reader.GetString(3)),
        reader.GetDecimal(4),
        reader.GetInt32(5),
        JsonSerializer.Deserialize<IReadOnlyList<OrderItem>>(reader.GetString(6), PlatformJson.Options)!,
        reader.GetFieldValue<DateTimeOffset>(7),
        reader.GetFieldValue<DateTimeOffset>(8));

    private static NpgsqlBatchCommand Insert(IReadOnlyList<Order> orders) =>
        new("INSERT INTO orders (id, customer_id, currency, status, total_amount, version, items, created_at, updated_at) SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        {
            Parameters =
            {
                new NpgsqlParameter<Guid[]> { TypedValue = [.. orders.Select(order => Guid.Parse(order.Id))] },
                new NpgsqlParameter<string[]> { TypedValue = [.. orders.Select(order => order.CustomerId)] },
                new NpgsqlParameter<string[]> { TypedValue = [.. orders.Select(order => order.Currency)] },
                new NpgsqlParameter<string[]> { TypedValue = [.. orders.Select(order => order.Status.ToString())] },
                new NpgsqlParameter<decimal[]> { TypedValue = [.. orders.Select(order => order.TotalAmount)] },
                new NpgsqlParameter<int[]> { TypedValue = [.. orders.Select(order => order.Version)] },
                new NpgsqlParameter<byte[][]> { TypedValue = [.. orders.Select(ItemsOf)], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Jsonb },
                new NpgsqlParameter<DateTimeOffset[]> { TypedValue = [.. orders.Select(order => order.CreatedAt)] },
                new NpgsqlParameter<DateTimeOffset[]> { TypedValue = [.. orders.Select(order => order.UpdatedAt)] },
            },
        };

    private static NpgsqlParameter<byte[]> Items(Order order) => new() { TypedValue = ItemsOf(order), NpgsqlDbType = NpgsqlDbType.Jsonb };

    private static byte[] ItemsOf(Order order) => JsonSerializer.SerializeToUtf8Bytes(order.Items, PlatformJson.Options);

    private static NpgsqlParameter Nullable(object? value, NpgsqlDbType type) => new() { Value = value ?? DBNull.Value, NpgsqlDbType = type };
}
