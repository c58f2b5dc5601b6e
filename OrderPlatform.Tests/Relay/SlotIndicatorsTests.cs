using OrderPlatform.Relay;
using OrderPlatform.ServiceDefaults.ServiceLevels;
using OrderPlatform.Tests.Relay.Tables;

namespace OrderPlatform.Tests.Relay;

/// <summary>What /slo says of the relay's slots.</summary>
public sealed class SlotIndicatorsTests(EngineFixture engines)
{
    private static readonly string[] Names = ["cdc.slot_ready", "cdc.wal_lag_bytes", "cdc.wal_lag_ms", "cdc.wal_retained_bytes", "cdc.heartbeat_age_ms"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_slot_is_told_while_it_is_read_when_nobody_reads_it_and_when_it_is_gone()
    {
        await using var bed = new TablesBed(await RelayBed.CreateAsync(engines));
        var slots = new SlotIndicators(bed.Database.Source);
        IReadOnlyList<IndicatorAnswer> told = [];
        double? Of(string name, string slot) => told.Single(indicator => (indicator.Name, indicator.Store) == (name, slot)).Value;
        Task UntilAsync(Func<bool> condition, string what) => RelayBed.EventuallyAsync(async () => (told = await slots.ReadAsync(Cancellation)).Count > 0 && condition(), what);

        (await slots.ReadAsync(Cancellation)).ShouldBeEmpty("no relay has made a slot yet");
        var relay = bed.Bed.Relay(RelayMode.Cdc, ("Relay__Tables", "true"));
        await UntilAsync(() => told.Count == 2 * Names.Length && told.All(indicator => indicator.Met == true), "both slots within all objectives");
        told.Select(indicator => (indicator.Store, indicator.Name)).ShouldBe([.. from slot in (string[])[bed.Database.Name, bed.Slot] from name in Names select (slot, name)], ignoreOrder: true);

        await relay.KillAsync();
        await relay.DisposeAsync();
        await bed.ExecuteAsync("CREATE TABLE bulk AS SELECT repeat('x', 1000) FROM generate_series(1, 1000)");
        await UntilAsync(() => Of("cdc.slot_ready", bed.Slot) == 0 && Of("cdc.slot_ready", bed.Database.Name) == 0, "slots that nobody reads");
        await UntilAsync(() => Of("cdc.heartbeat_age_ms", bed.Slot) > 2000, "an old heartbeat");
        Of("cdc.wal_lag_bytes", bed.Slot)!.Value.ShouldBeGreaterThan(1_000_000);
        Of("cdc.wal_retained_bytes", bed.Slot)!.Value.ShouldBeGreaterThan(1_000_000);

        await bed.ExecuteAsync($"SELECT pg_drop_replication_slot('{bed.Slot}')");
        await UntilAsync(() => Of("cdc.wal_lag_bytes", bed.Slot) is null, "nothing known of a slot that is gone");
        told.Single(indicator => (indicator.Name, indicator.Store) == ("cdc.slot_ready", bed.Slot)).Met.ShouldBe(false);
    }
}
