using System.Text.Json;
using Npgsql;
using OrderPlatform.Contracts.Json;

namespace OrderPlatform.Api.Rebuilds;

/// <summary>A rebuild of a projection, or a reset of its progress, as callers see it.</summary>
/// <param name="Kind">rebuild or reset.</param>
/// <param name="State">requested, building, comparing, swapping, done, failed or cancelled.</param>
/// <param name="OnlyCompare">Whether the rebuilt store is thrown away once it was compared.</param>
/// <param name="FromOffset">Of a reset: this offset of every partition,</param>
/// <param name="FromTime">or the first record of each that was published at or after this time.</param>
/// <param name="Source">kafka; event-log when Kafka does not go back to the beginning; null until that is known.</param>
/// <param name="Problem">Why it failed, or does not go on at the moment.</param>
public sealed record RebuildAnswer(
    string Id, string Projection, string Kind, string State, string Reason, bool OnlyCompare, long? FromOffset, DateTimeOffset? FromTime,
    string RequestedBy, DateTimeOffset RequestedAt, DateTimeOffset? StartedAt, DateTimeOffset? FinishedAt,
    string? Source, RebuildProgress? Progress, RebuildComparison? Comparison, string? Problem);

/// <summary>How far it is.</summary>
/// <param name="EventsTotal">What there was to read when it began, and what has come since.</param>
/// <param name="Percent">0 to 100, in whole numbers.</param>
/// <param name="EventsPerSecond">While it was reading from the beginning; null before.</param>
/// <param name="RemainingSeconds">Until everything is read, at that rate; null when that is not known.</param>
public sealed record RebuildProgress(long EventsDone, long EventsTotal, int Percent, long? EventsPerSecond, long? RemainingSeconds);

/// <summary>The live store and the rebuilt one at the same offsets.</summary>
/// <param name="Equal">Whether they were the same by count, amount and hash.</param>
/// <param name="Live">Null when it could not be compared: it was behind, or stood still.</param>
public sealed record RebuildComparison(bool Equal, RebuildSummary? Live, RebuildSummary Rebuilt);

/// <summary>What a store held.</summary>
/// <param name="Count">Orders, or facts.</param>
/// <param name="Amount">Money that counts, all currencies added: a check sum, no figure.</param>
/// <param name="Hash">Over all of it.</param>
public sealed record RebuildSummary(long Count, decimal Amount, string Hash);

/// <summary>Reads rows of the table rebuild.</summary>
internal static class RebuildRow
{
    public const string Columns =
        """
        id, projection, kind, state, reason, only_compare, from_offset, from_time, requested_by, requested_at, started_at, finished_at,
        source, events_done, events_total, events_per_second, comparison, problem
        """;

    public static RebuildAnswer Read(NpgsqlDataReader reader)
    {
        DateTimeOffset? Time(int column) => reader.IsDBNull(column) ? null : reader.GetFieldValue<DateTimeOffset>(column);
        string? Text(int column) => reader.IsDBNull(column) ? null : reader.GetString(column);
        return new RebuildAnswer(
            reader.GetGuid(0).ToString("D"), reader.GetString(1), reader.GetString(2), reader.GetString(3), reader.GetString(4), reader.GetBoolean(5),
            reader.IsDBNull(6) ? null : reader.GetInt64(6), Time(7), reader.GetString(8), reader.GetFieldValue<DateTimeOffset>(9), Time(10), Time(11),
            Text(12),
            reader.IsDBNull(14) ? null : ProgressOf(reader.GetInt64(13), reader.GetInt64(14), reader.IsDBNull(15) ? null : reader.GetDouble(15)),
            Text(16) is { } comparison ? JsonSerializer.Deserialize<RebuildComparison>(comparison, PlatformJson.Options) : null,
            Text(17));
    }

    private static RebuildProgress ProgressOf(long done, long total, double? perSecond) => new(
        done, total, total == 0 ? 100 : (int)Math.Min(100, 100 * done / total), (long?)perSecond,
        done >= total ? 0 : perSecond > 0 ? (long)Math.Ceiling((total - done) / perSecond.Value) : null);
}
