using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Json;

namespace OrderPlatform.Projections.OrderView;

/// <summary>The order view, or a table of its form. A batch is written with two statements at most, whatever its size.</summary>
internal sealed class OrderViewTable(string name)
{
    /// <summary>The table that is searched.</summary>
    public const string Live = "order_view";

    /// <summary>Percent of a page that inserts fill; the rest is for updates, which touch no index then.</summary>
    public const int FillFactor = 70;

    /// <summary>Its name; never from outside.</summary>
    public string Name => name;

    /// <summary>The last sequence of each of the batch's orders that is there.</summary>
    public async Task<Dictionary<string, int>> VersionsAsync(NpgsqlConnection connection, IReadOnlyList<Record> batch, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"SELECT order_id::text, version FROM {name} WHERE order_id = ANY ($1)", connection)
        {
            Parameters = { new() { Value = batch.Select(record => Guid.Parse(record.Key)).Distinct().ToArray() } },
        };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var versions = new Dictionary<string, int>();
        while (await reader.ReadAsync(cancellation))
        {
            versions[reader.GetString(0)] = reader.GetInt32(1);
        }
        return versions;
    }

    /// <summary>Writes orders, each once. What has no items keeps those that are there.</summary>
    public async Task WriteAsync(NpgsqlConnection connection, IReadOnlyCollection<OrderViewRow> rows, CancellationToken cancellation)
    {
        await using var batch = new NpgsqlBatch(connection);
        if (rows.Where(row => row.Items is not null).ToList() is { Count: > 0 } whole)
        {
            batch.BatchCommands.Add(Upsert(whole));
        }
        if (rows.Where(row => row.Items is null).ToList() is { Count: > 0 } changes)
        {
            batch.BatchCommands.Add(Update(changes));
        }
        if (batch.BatchCommands.Count > 0)
        {
            await batch.ExecuteNonQueryAsync(cancellation);
        }
    }

    private NpgsqlBatchCommand Upsert(List<OrderViewRow> rows) => new(
        $"""
        INSERT INTO {name} AS view (order_id, customer_id, currency, status, total_amount, version, items, created_at, updated_at, search_text)
        SELECT order_id, customer_id, currency, status, total_amount, version, items::jsonb, created_at, updated_at, search_text
        FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS row (order_id, customer_id, currency, status, total_amount, version, items, created_at, updated_at, search_text)
        ON CONFLICT (order_id) DO UPDATE SET status = excluded.status, total_amount = excluded.total_amount, version = excluded.version,
            items = excluded.items, search_text = excluded.search_text, updated_at = excluded.updated_at
        WHERE view.version < excluded.version
        """)
    {
        Parameters =
        {
            Column(rows, row => row.OrderId),
            Column(rows, row => row.Happened.CustomerId),
            Column(rows, row => row.Happened.Currency),
            Column(rows, row => row.Happened.NewStatus.ToString()),
            Column(rows, row => row.Happened.TotalAmount),
            Column(rows, row => row.Version),
            Column(rows, row => JsonSerializer.Serialize(row.Items, PlatformJson.Options)),
            Column(rows, row => row.Happened.OrderedAt),
            Column(rows, row => row.UpdatedAt),
            Column(rows, row => row.SearchText),
        },
    };

    private NpgsqlBatchCommand Update(List<OrderViewRow> rows) => new(
        $"""
        UPDATE {name} AS view SET status = row.status, total_amount = row.total_amount, version = row.version, updated_at = row.updated_at
        FROM unnest($1, $2, $3, $4, $5) AS row (order_id, status, total_amount, version, updated_at)
        WHERE view.order_id = row.order_id AND view.version < row.version
        """)
    {
        Parameters =
        {
            Column(rows, row => row.OrderId),
            Column(rows, row => row.Happened.NewStatus.ToString()),
            Column(rows, row => row.Happened.TotalAmount),
            Column(rows, row => row.Version),
            Column(rows, row => row.UpdatedAt),
        },
    };

    private static NpgsqlParameter<T[]> Column<T>(List<OrderViewRow> rows, Func<OrderViewRow, T> of) => new() { TypedValue = [.. rows.Select(of)] };
}

/// <summary>What a batch makes of one order.</summary>
/// <param name="Happened">The order's last event in the batch.</param>
/// <param name="Version">Its sequence.</param>
/// <param name="UpdatedAt">When it happened.</param>
/// <param name="Items">As the batch last told them; null when it did not.</param>
internal sealed record OrderViewRow(Guid OrderId, OrderEvent Happened, int Version, DateTimeOffset UpdatedAt, IReadOnlyList<OrderItem>? Items)
{
    /// <summary>What a person may look for that only new items change, in lower case.</summary>
    public string SearchText => SearchTextOf(OrderId, Happened.CustomerId, Items ?? []);

    /// <summary>The same of an order that is at hand in another form.</summary>
    public static string SearchTextOf(Guid orderId, string customerId, IReadOnlyList<OrderItem> items) =>
        string.Join(' ', items.Select(item => item.ProductId).Distinct().Prepend(customerId).Prepend(orderId.ToString("D"))).ToLowerInvariant();

    /// <summary>The order after one more event.</summary>
    /// <param name="before">What earlier events of the batch have made of it, if there are any.</param>
    /// <param name="isKnown">Whether the table has the order: one that it has not, and that begins without items, has none.</param>
    public static OrderViewRow Of(Record record, OrderViewRow? before, bool isKnown)
    {
        var happened = record.Read<OrderEvent>();
        var items = happened switch
        {
            OrderCreated created => created.Items,
            OrderImported imported => imported.Items,
            OrderItemsChanged changed => changed.Items,
            _ => before?.Items ?? (isKnown ? null : []),
        };
        return new OrderViewRow(Guid.Parse(record.Key), happened, record.Sequence, record.OccurredAt, items);
    }
}
