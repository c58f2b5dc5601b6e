using Npgsql;
using NpgsqlTypes;
using OrderPlatform.Api.Http;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Orders;

/// <summary>
/// GET /orders/search: orders that have every word of the question in their id, customer, products, currency or status; words
/// of three characters or more as a part of one too. It reads the order view, which is moments behind the orders themselves.
/// </summary>
internal static class SearchOrders
{
    private const int MaxLength = 200;

    // what an index of trigrams can answer; shorter words are answered by an index of words
    private const int PartLength = 3;

    private const string Query =
        """
        SELECT order_id, customer_id, currency, status, total_amount, version, items::text, created_at, updated_at FROM order_view
        WHERE ($1 = '' OR search @@ plainto_tsquery('simple', $1)) AND search_words LIKE ALL ($2)
          AND ($3 IS NULL OR (created_at, order_id) < ($3, $4))
        ORDER BY created_at DESC, order_id DESC LIMIT $5
        """;

    public static async Task<IResult> HandleAsync(
        HttpContext http, string? q, string? limit, string? cursor, [FromKeyedServices(Connections.Views)] NpgsqlDataSource views, CancellationToken cancellation)
    {
        var words = WordsOf(q);
        var after = Paging.Unpack(cursor, OrderCursor.Parse);
        var size = Paging.Limit(limit);
        await using var command = views.CreateCommand(Query);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = string.Join(' ', words.Where(word => word.Length < PartLength)) });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. words.Where(word => word.Length >= PartLength).Select(PartOf)] });
        command.Parameters.Add(new NpgsqlParameter { Value = after?.CreatedAt ?? (object)DBNull.Value, NpgsqlDbType = NpgsqlDbType.TimestampTz });
        command.Parameters.Add(new NpgsqlParameter { Value = after?.Id ?? (object)DBNull.Value, NpgsqlDbType = NpgsqlDbType.Uuid });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = size + 1 });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var found = new List<Order>();
        while (await reader.ReadAsync(cancellation))
        {
            found.Add(OrderStore.Read(reader));
        }
        return Paging.Answer(http, found, size, OrderCursor.Pack);
    }

    private static string[] WordsOf(string? q)
    {
        var text = Check.Text(q ?? throw ProblemException.Invalid("q", "is required."), "q", MaxLength)!;
        return text.ToLowerInvariant().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries) is { Length: > 0 } words && text.EnumerateRunes().All(rune => rune.Value != 0xFFFD)
            ? words
            : throw ProblemException.Invalid("q", $"must have 1 to {MaxLength} characters of valid text, and not only spaces.");
    }

    private static string PartOf(string word) =>
        "%" + word.Replace("\\", "\\\\").Replace("%", "\\%").Replace("_", "\\_") + "%";
}
