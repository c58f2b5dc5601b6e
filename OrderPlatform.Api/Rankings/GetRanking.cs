using OrderPlatform.Api.Http;
using OrderPlatform.Contracts.Rankings;

namespace OrderPlatform.Api.Rankings;

/// <summary>A ranking as callers see it.</summary>
/// <param name="CompleteUntil">Every event published before is in it; null while it is being built.</param>
/// <param name="Complete">False while it is being built.</param>
public sealed record RankingAnswer(string Window, DateTimeOffset? CompleteUntil, bool Complete, IReadOnlyList<RankingRow> Rows);

/// <summary>GET /analytics/rankings/{products|customers}: the top by revenue of today, 30 days (today and the 29 before) or all time, by UTC date of the order.</summary>
internal static class GetRanking
{
    private const int DefaultLimit = 10;
    private const int MaxLimit = 100;
    private const string DefaultCurrency = "USD";

    public static async Task<IResult> HandleAsync(string kind, string? window, string? limit, string? currency, RankingReader rankings, TimeProvider clock, CancellationToken cancellation)
    {
        if (kind is not (RankingKeys.Products or RankingKeys.Customers))
        {
            throw ProblemException.NotFound($"ranking {kind}; there are {RankingKeys.Products} and {RankingKeys.Customers}");
        }
        var asked = window ?? RankingKeys.All;
        var days = DaysOf(asked, DateOnly.FromDateTime(clock.GetUtcNow().UtcDateTime));
        var rows = limit is null ? DefaultLimit : Check.Between(int.TryParse(limit, out var number) ? number : null, 1, MaxLimit, "limit");
        var ranking = await rankings.AskAsync(RankingKeys.In(kind, Check.Currency(currency ?? DefaultCurrency, "currency")), days, rows, cancellation);
        return Answer.Json(StatusCodes.Status200OK, new RankingAnswer(asked, ranking.CompleteUntil, ranking.CompleteUntil is not null, ranking.Rows));
    }

    private static IReadOnlyList<string> DaysOf(string window, DateOnly today) => window switch
    {
        RankingKeys.All => [RankingKeys.All],
        "today" => [RankingKeys.Day(today)],
        "30d" => [.. Enumerable.Range(0, RankingKeys.MonthDays).Select(back => RankingKeys.Day(today.AddDays(-back)))],
        _ => throw ProblemException.Invalid("window", "must be today, 30d or all."),
    };
}
