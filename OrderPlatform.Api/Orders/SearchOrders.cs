using Npgsql;
using OrderPlatform.Api.Http;
using OrderPlatform.Contracts.Events;
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

    public static async Task<IResult> HandleAsync(
        HttpContext http, string? q, string? limit, string? cursor, [FromKeyedServices(Connections.Views)] NpgsqlDataSource views, CancellationToken cancellation)
    {
        var words = WordsOf(q);
        var after = Paging.Unpack(cursor, OrderCursor.Parse);
        var size = Paging.Limit(limit);
        await using var command = views.CreateCommand();
        string Parameter<T>(T value)
        {
            command.Parameters.Add(new NpgsqlParameter<T> { TypedValue = value });
            return $"${command.Parameters.Count}";
        }
        List<string> conditions = [.. words.Where(word => word.Length >= PartLength).Select(word => Part(word, Parameter))];
        if (words.Where(word => word.Length < PartLength).ToList() is { Count: > 0 } whole)
        {
            conditions.Add($"search @@ plainto_tsquery('simple', {Parameter(string.Join(' ', whole))})");
        }
        if (after is not null)
        {
            conditions.Add($"(created_at, order_id) < ({Parameter(after.CreatedAt)}, {Parameter(after.Id)})");
        }
        command.CommandText =
            $"""
            SELECT order_id, customer_id, currency, status, total_amount, version, items::text, created_at, updated_at FROM order_view
            WHERE {string.Join(" AND ", conditions)} ORDER BY created_at DESC, order_id DESC LIMIT {Parameter(size + 1)}
            """;
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

    // the status is in no index of words, since it changes: the names that have the word in them are compared
    private static string Part(string word, Func<object, string> parameter)
    {
        var part = $"search_words LIKE {parameter("%" + word.Replace("\\", "\\\\").Replace("%", "\\%").Replace("_", "\\_") + "%")}";
        string[] statuses = [.. Enum.GetNames<OrderStatus>().Where(status => status.Contains(word, StringComparison.OrdinalIgnoreCase))];
        return statuses.Length == 0 ? part : $"({part} OR status = ANY ({parameter(statuses)}))";
    }
}
