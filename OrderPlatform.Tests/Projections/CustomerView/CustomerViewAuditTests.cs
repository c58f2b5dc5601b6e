using Microsoft.Extensions.Options;
using Npgsql;
using OrderPlatform.Api.Customers;
using OrderPlatform.Contracts;
using OrderPlatform.Projections.Auditing;
using OrderPlatform.Tests.Relay;
using OrderPlatform.Tests.Relay.Tables;

namespace OrderPlatform.Tests.Projections.CustomerView;

/// <summary>The audit of the customer view is proven: single rows are dropped, added and altered, and each must be named, alone, and put right.</summary>
public sealed class CustomerViewAuditTests(EngineFixture engines, ITestOutputHelper output) : IAsyncLifetime
{
    private const int Customers = 40;
    private const int Versions = 3;
    private const string Id = "c-7";

    private static readonly string[] Alterations =
    [
        @"name = '\x01'", "email = name", "phone = NULL", @"address = '\x02'", "version = version - 1", "version = 99",
        "created_at = created_at - interval '1 microsecond'", "updated_at = updated_at - interval '1 microsecond'",
    ];

    private TablesBed _bed = null!;
    private NpgsqlDataSource _views = null!;
    private RelayProcess _relay = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _bed = await TablesBed.CreateAsync(engines);
        _views = await ViewsDatabase.CreateAsync(engines);
        _relay = _bed.Relay();
        for (var version = 1; version <= Versions; version++)
        {
            for (var customer = 1; customer <= Customers; customer++)
            {
                await SaveAsync($"c-{customer}", version);
            }
        }
        await _bed.PublishedAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _relay.DisposeAsync();
        await _views.DisposeAsync();
        await _bed.DisposeAsync();
    }

    [Fact]
    public async Task Every_single_change_is_found_and_repaired_and_no_other_row_is_touched()
    {
        using var consumer = await _views.ConsumeAsync(_bed);
        await CaughtUpAsync();
        (await AuditAsync(TimeSpan.Zero)).Compared.ShouldBe(Customers);
        await _views.RowsAsync("CREATE TABLE as_it_was AS TABLE customer_view");
        string Set(string assignment) => $"UPDATE customer_view SET {assignment} WHERE id = '{Id}'";
        (string What, string Sql, string Row)[] mutations =
        [
            ("drop", $"DELETE FROM customer_view WHERE id = '{Id}'", Id),
            ("double under another id", $"INSERT INTO customer_view SELECT 'c-0', name, email, phone, address, version, created_at, updated_at, deleted, commit_lsn, lsn FROM customer_view WHERE id = '{Id}'", "c-0"),
            ("delete", Set("deleted = true, name = NULL, email = NULL"), Id),
            .. Alterations.Select(assignment => ($"alter {assignment}", Set(assignment), Id)),
        ];
        foreach (var (what, sql, row) in mutations)
        {
            await _views.RowsAsync(sql);
            var found = await AuditAsync(TimeSpan.Zero);
            found.Violations.Select(violation => violation.Row).Distinct().ShouldBe([row], what);
            var sums = found.Sums.Answer();
            sums.DifferentDays.ShouldNotBeEmpty($"{what}: count or hash differ too");
            await Audit(TimeSpan.Zero).RepairAsync(found.Violations, Cancellation);
            (await AuditAsync(TimeSpan.Zero)).ViolationCount.ShouldBe(0, $"{what}, repaired");
        }
        output.WriteLine($"mutations found {mutations.Length} of {mutations.Length}");
        (await _views.RowsAsync("SELECT id FROM (TABLE customer_view EXCEPT TABLE as_it_was) AS touched")).ShouldBe([Id]);
        await consumer.StopAsync(Cancellation);
    }

    [Fact]
    public async Task A_view_that_is_behind_is_compared_at_its_own_versions_and_repaired_it_drops_what_comes_late()
    {
        using (var first = await _views.ConsumeAsync(_bed))
        {
            await CaughtUpAsync();
            await first.StopAsync(Cancellation);
        }
        await SaveAsync(Id, Versions + 1);
        await SaveAsync(Id, Versions + 2);
        await SaveAsync("c-new", 1);
        await _bed.PublishedAsync();

        (await AuditAsync(TimeSpan.FromMinutes(10))).ViolationCount.ShouldBe(0, "what it lacks is younger than the bound");
        var late = await AuditAsync(TimeSpan.Zero);
        late.Violations.Select(violation => $"{violation.Row} {violation.Kind}").Order().ShouldBe([$"{Id} Stuck", "c-new Missing"]);
        await _views.RowsAsync($@"UPDATE customer_view SET email = '\x01' WHERE id = '{Id}'");
        (await AuditAsync(TimeSpan.FromMinutes(10))).Violations.Select(violation => $"{violation.Row} {violation.Kind}").ShouldBe([$"{Id} Altered"], "the event log knows the version that the view has");

        await Audit(TimeSpan.Zero).RepairAsync(late.Violations, Cancellation);
        (await AuditAsync(TimeSpan.Zero)).ViolationCount.ShouldBe(0);
        var place = (await _views.RowsAsync($"SELECT commit_lsn::text FROM customer_view WHERE id = '{Id}'")).Single();
        using var consumer = await _views.ConsumeAsync(_bed);
        await SaveAsync("c-new", 2);
        await CaughtUpAsync();
        (await _views.RowsAsync($"SELECT commit_lsn::text FROM customer_view WHERE id = '{Id}'")).Single().ShouldBe(place, "what it was told late is older");
        await consumer.StopAsync(Cancellation);
    }

    [Fact]
    public async Task A_customer_with_a_dead_letter_is_left_out_and_so_is_all_when_the_tables_are_not_published()
    {
        using var consumer = await _views.ConsumeAsync(_bed);
        await CaughtUpAsync();
        await _views.RowsAsync($"DELETE FROM customer_view WHERE id = '{Id}'");
        await _bed.ExecuteAsync(
            $$"""
            INSERT INTO dead_letter (consumer, topic, partition, record_offset, key, header_names, header_values, published_at, state, error, attempts)
            VALUES ('customer-view', '{{Topics.CustomerRows}}', 0, 0, '{"id":"{{Id}}"}', '{}', '{}', now(), 'failed', '', 1), ('customer-view', '{{Topics.CustomerRows}}', 0, 1, 'no JSON', '{}', '{}', now(), 'failed', '', 1)
            """);
        (await AuditAsync(TimeSpan.Zero)).ViolationCount.ShouldBe(0);
        await _bed.ExecuteAsync("UPDATE dead_letter SET state = 'redriven'");
        (await AuditAsync(TimeSpan.Zero)).Violations.Select(violation => violation.Row).ShouldBe([Id]);

        await _relay.KillAsync();
        await _bed.ExecuteAsync("DELETE FROM table_checkpoint");
        var off = await AuditAsync(TimeSpan.Zero);
        (off.Compared, off.ViolationCount).ShouldBe((0, 0));
        await consumer.StopAsync(Cancellation);
    }

    // as the Api saves a version: the row and its event in one transaction
    private async Task SaveAsync(string id, int version)
    {
        var now = TimeProvider.System.GetUtcNow().Truncated();
        byte[] Sealed() => [1, .. Guid.NewGuid().ToByteArray()];
        await using var connection = await _bed.Database.Source.OpenConnectionAsync(Cancellation);
        await using var transaction = await connection.BeginTransactionAsync(Cancellation);
        await using var context = CustomersContext.On(connection);
        var before = await context.Customers.FindAsync([id], Cancellation);
        var customer = new SealedCustomer(id, Sealed(), Sealed(), Sealed(), null, version, before?.CreatedAt ?? now, now);
        if (before is null)
        {
            context.Add(customer);
        }
        else
        {
            context.Entry(before).CurrentValues.SetValues(customer);
        }
        (await context.TrySaveAsync(Cancellation)).ShouldBeTrue();
        await CustomerStore.AppendAsync(connection, customer, Cancellation);
        await transaction.CommitAsync(Cancellation);
    }

    private async Task CaughtUpAsync()
    {
        const string Rows = "SELECT string_agg(id || ' ' || version, ', ' ORDER BY id)";
        await RelayBed.EventuallyAsync(async () => (await _views.RowsAsync($"{Rows} FROM customer_view WHERE NOT deleted")).SequenceEqual(await _bed.Database.Source.RowsAsync($"{Rows} FROM customers")), "the view to be the table");
    }

    private CustomerViewAudit Audit(TimeSpan bound) => new(_views, _bed.Database.Source, Options.Create(new AuditOptions { Bound = bound }), TimeProvider.System);

    private async Task<Findings> AuditAsync(TimeSpan bound)
    {
        var findings = new Findings();
        await Audit(bound).RunAsync(findings, Cancellation);
        return findings;
    }
}
