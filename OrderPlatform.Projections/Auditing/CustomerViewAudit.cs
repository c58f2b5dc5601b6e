using System.Runtime.CompilerServices;
using Confluent.Kafka;
using Microsoft.Extensions.Options;
using Npgsql;
using OrderPlatform.Consuming;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Auditing;
using OrderPlatform.Projections.Auditing.Replay;
using OrderPlatform.Projections.CustomerView;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Projections.Auditing;

/// <summary>
/// The customer view with the table of customers. The view is read first, each row at its own version: that of the table or, where the
/// table has gone on, that of the event log. What the view lacks must be younger than the bound.
/// </summary>
internal sealed class CustomerViewAudit(
    [FromKeyedServices(Connections.Views)] NpgsqlDataSource views, [FromKeyedServices(Connections.Orders)] NpgsqlDataSource orders, IOptions<AuditOptions> options, TimeProvider clock) : IAudit
{
    private const string Store = CustomerViewProjection.Projection;

    /// <inheritdoc />
    public string Name => AuditNames.CustomerView;

    /// <inheritdoc />
    public async Task RunAsync(Findings findings, CancellationToken cancellation)
    {
        var due = (clock.GetUtcNow() - options.Value.Bound).UtcDateTime;
        var view = await ViewAsync(findings, cancellation);
        await using var connection = await orders.OpenConnectionAsync(cancellation);
        await using var snapshot = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, cancellation);
        if (!await IsPublishedAsync(connection, cancellation))
        {
            return;
        }
        var parked = await ParkedAsync(connection, cancellation);
        var behind = new Dictionary<string, CustomerState>();
        await foreach (var (id, expected) in RowsAsync(connection, "customers", cancellation))
        {
            var isThere = view.Remove(id, out var found);
            if (parked.Contains(id))
            {
                continue;
            }
            findings.Compared++;
            if (isThere && found.Version < expected.Version)
            {
                behind[id] = found;
            }
            // what is younger than the bound may be in one of the two alone: PostgreSQL tells the WAL of a commit before it shows it
            else if (isThere && (found.Version == expected.Version || found.UpdatedAt < due))
            {
                Compare(findings, id, expected, found);
            }
            else if (!isThere && expected.CreatedAt < due)
            {
                findings.Sums.Expect("", expected.Day, CapturedTables.Customers, 0, expected.Hash);
                findings.Add(Store, ViolationKind.Missing, id, expected.ToString(), "nothing");
            }
        }
        await CompareBehindAsync(connection, behind, due, findings, cancellation);
        foreach (var (id, found) in view.Where(row => row.Value.CreatedAt < due && !parked.Contains(row.Key)))
        {
            findings.Compared++;
            findings.Sums.Find("", found.Day, CapturedTables.Customers, 0, found.Hash);
            findings.Add(Store, ViolationKind.Surplus, id, "no such customer", found.ToString());
        }
    }

    /// <inheritdoc />
    public async Task<IReadOnlyList<string>> RepairAsync(IReadOnlyList<Violation> violations, CancellationToken cancellation)
    {
        var done = new List<string>();
        foreach (var violation in violations)
        {
            done.Add(await RewriteAsync(violation.Row, cancellation));
        }
        return done;
    }

    private async Task<Dictionary<string, CustomerState>> ViewAsync(Findings findings, CancellationToken cancellation)
    {
        await using var connection = await views.OpenConnectionAsync(cancellation);
        await using var snapshot = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, cancellation);
        var progress = await PostgresProgress.LoadAsync(connection, Store, cancellation);
        findings.Vector[Topics.CustomerRows] = [.. Enumerable.Range(0, Topics.Partitions).Select(partition => progress.GetValueOrDefault(new TopicPartition(Topics.CustomerRows, partition)))];
        var view = new Dictionary<string, CustomerState>();
        await foreach (var (id, found) in RowsAsync(connection, "customer_view WHERE NOT deleted", cancellation))
        {
            view[id] = found;
        }
        return view;
    }

    private static async Task CompareBehindAsync(NpgsqlConnection connection, Dictionary<string, CustomerState> behind, DateTime due, Findings findings, CancellationToken cancellation)
    {
        if (behind.Count == 0)
        {
            return;
        }
        await foreach (var logged in CustomerLog.ReadAsync(connection, behind.Keys, cancellation))
        {
            var found = behind[logged.Id];
            if (logged.State.Version == found.Version)
            {
                Compare(findings, logged.Id, logged.State, found);
            }
            else if (logged.State.Version == found.Version + 1 && logged.RecordedAt < due)
            {
                findings.Add(Store, ViolationKind.Stuck, logged.Id, logged.State.ToString(), found.ToString());
            }
        }
    }

    private static void Compare(Findings findings, string id, CustomerState expected, CustomerState found)
    {
        findings.Sums.Expect("", expected.Day, CapturedTables.Customers, 0, expected.Hash);
        findings.Sums.Find("", found.Day, CapturedTables.Customers, 0, found.Hash);
        if (expected != found)
        {
            findings.Add(Store, ViolationKind.Altered, id, expected.ToString(), found.ToString());
        }
    }

    // where the changes of tables are turned off, nobody keeps the view
    private static async Task<bool> IsPublishedAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT EXISTS (SELECT FROM table_checkpoint), EXISTS (SELECT FROM table_snapshot WHERE table_name = $1)", connection)
        {
            Parameters = { new() { Value = $"{CapturedTables.Schema}.{CapturedTables.Customers}" } },
        };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        return reader.GetBoolean(1)
            ? throw new CannotBeAuditedException("All customers are being published again (a new slot, or somebody asked for it): ask again when GET /operations/tables/customers/snapshot says that none is under way.")
            : reader.GetBoolean(0);
    }

    // a person has these in hand, or has decided on them
    private static async Task<HashSet<string>> ParkedAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(
            "SELECT DISTINCT CASE WHEN key IS JSON OBJECT THEN key::jsonb ->> 'id' END FROM dead_letter WHERE topic = $1 AND state <> 'redriven'", connection)
        {
            Parameters = { new() { Value = Topics.CustomerRows } },
        };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var parked = new HashSet<string>();
        while (await reader.ReadAsync(cancellation))
        {
            parked.Add(reader.IsDBNull(0) ? "" : reader.GetString(0));
        }
        return parked;
    }

    private static async IAsyncEnumerable<(string Id, CustomerState State)> RowsAsync(NpgsqlConnection connection, string from, [EnumeratorCancellation] CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"SELECT id, {CustomerFields.Columns} FROM {from}", connection) { CommandTimeout = 0 };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
        {
            yield return (reader.GetString(0), CustomerState.Of(CustomerFields.Read(reader, first: 1)));
        }
    }

    private async Task<string> RewriteAsync(string id, CancellationToken cancellation)
    {
        await using var connection = await views.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        await PostgresProgress.HoldAsync(connection, Store, cancellation);
        var row = await CurrentAsync(id, cancellation);
        await CustomerViewTable.ReplaceAsync(connection, id, row, cancellation);
        await transaction.CommitAsync(cancellation);
        return row is { Customer: { } customer } ? $"rewritten at version {customer.Version}" : "removed";
    }

    // While the row is locked nobody commits a change of it: those that are committed stand before the end of the WAL, later ones behind
    // it. So with that place the view drops what it is still told of the former, and takes the latter.
    private async Task<CustomerViewRow?> CurrentAsync(string id, CancellationToken cancellation)
    {
        await using var connection = await orders.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        CustomerFields fields;
        await using (var locked = new NpgsqlCommand($"SELECT {CustomerFields.Columns} FROM customers WHERE id = $1 FOR SHARE", connection) { Parameters = { new() { Value = id } } })
        {
            await using var reader = await locked.ExecuteReaderAsync(cancellation);
            if (!await reader.ReadAsync(cancellation))
            {
                return null;
            }
            fields = CustomerFields.Read(reader, first: 0);
        }
        await using var end = new NpgsqlCommand("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint", connection);
        return new CustomerViewRow(id, new ChangePlace((long)(await end.ExecuteScalarAsync(cancellation))!, 0), fields);
    }
}
