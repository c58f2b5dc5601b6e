using System.Globalization;
using Npgsql;
using OrderPlatform.Api.Http;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Operations;

/// <summary>The last letter of a page.</summary>
internal sealed record DeadLetterCursor(long Id)
{
    public static string Pack(DeadLetter letter) => Paging.Pack(letter.Id);

    public static DeadLetterCursor? Parse(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? new DeadLetterCursor(id) : null;
}

/// <summary>GET /operations/dead-letters: newest first, filtered by consumer, topic, key and state.</summary>
internal static class ListDeadLetters
{
    private const int MaxLength = 500;

    public static async Task<IResult> HandleAsync(
        HttpContext http, string? consumer, string? topic, string? key, string? state, string? limit, string? cursor,
        [FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, CancellationToken cancellation)
    {
        var filter = new DeadLetterFilter(Check.Text(consumer, "consumer", MaxLength), Check.Text(topic, "topic", MaxLength), Check.Text(key, "key", MaxLength), StateOf(state));
        var before = Paging.Unpack(cursor, DeadLetterCursor.Parse)?.Id ?? long.MaxValue;
        var size = Paging.Limit(limit);
        await using var connection = await source.OpenConnectionAsync(cancellation);
        return Paging.Answer(http, await DeadLetterStore.ListAsync(connection, filter, before, size + 1, cancellation), size, DeadLetterCursor.Pack);
    }

    private static DeadLetterState? StateOf(string? state) =>
        state is null ? null
        : Enum.GetNames<DeadLetterState>().Contains(state) ? Enum.Parse<DeadLetterState>(state)
        : throw ProblemException.Invalid("state", $"must be one of {string.Join(", ", Enum.GetNames<DeadLetterState>())}.");
}
