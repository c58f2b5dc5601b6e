using OrderPlatform.Relay;

namespace OrderPlatform.Tests.Relay;

public sealed class EventLogMonthsTests(EngineFixture engines)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_later_month_and_its_next_get_a_partition_once()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        var later = new DateTimeOffset(2099, 12, 31, 23, 59, 0, TimeSpan.Zero);

        await EventLogMonths.EnsureAsync(database.Source, later, Cancellation);
        await EventLogMonths.EnsureAsync(database.Source, later, Cancellation);

        await using var command = database.Source.CreateCommand("SELECT array_agg(relname::text ORDER BY relname) FROM pg_class WHERE relname IN ('event_log_2099_12', 'event_log_2100_01', 'event_log_2100_02')");
        (await command.ExecuteScalarAsync(Cancellation)).ShouldBe((string[])["event_log_2099_12", "event_log_2100_01"]);
    }
}
