using System.Text.Json;
using Npgsql;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Json;

namespace OrderPlatform.Projections.Auditing.Replay;

/// <summary>A row of orders or of the order view.</summary>
internal sealed record OrderRow(Guid Id, OrderState State, IReadOnlyList<OrderItem> Items);

/// <summary>Compares the rows of a table of orders with a replay.</summary>
internal static class OrderRows
{
    /// <summary>The columns that both tables have, but for the first one's name.</summary>
    public const string Columns = "customer_id, currency, status, total_amount, version, items::text, created_at, updated_at";

    /// <summary>Compares row by row. What is left in <paramref name="replayed"/> then is missing.</summary>
    /// <param name="reader">Rows of the id and <see cref="Columns"/>.</param>
    /// <param name="also">What else can be wrong with a row that is as expected; null when it is right.</param>
    public static async Task CompareAsync(NpgsqlDataReader reader, Dictionary<Guid, OrderState> replayed, string store, Findings findings, Func<OrderRow, string?> also, CancellationToken cancellation)
    {
        while (await reader.ReadAsync(cancellation))
        {
            var row = Read(reader);
            findings.Compared++;
            findings.Sums.Find(row.State.Currency, row.State.Day, row.State.Status.ToString(), row.State.Cents, row.State.Hash);
            if (!replayed.Remove(row.Id, out var expected))
            {
                findings.Add(store, ViolationKind.Surplus, row.Id.ToString("D"), "no such order", row.State.ToString());
                continue;
            }
            Expect(findings, expected);
            if (expected != row.State)
            {
                findings.Add(store, ViolationKind.Altered, row.Id.ToString("D"), expected.ToString(), row.State.ToString(), expected.Version);
            }
            else if (also(row) is { } wrong)
            {
                findings.Add(store, ViolationKind.Altered, row.Id.ToString("D"), expected.ToString(), wrong, expected.Version);
            }
        }
        foreach (var (id, expected) in replayed)
        {
            findings.Compared++;
            Expect(findings, expected);
            findings.Add(store, ViolationKind.Missing, id.ToString("D"), expected.ToString(), "nothing", expected.Version);
        }
    }

    private static void Expect(Findings findings, OrderState expected) =>
        findings.Sums.Expect(expected.Currency, expected.Day, expected.Status.ToString(), expected.Cents, expected.Hash);

    private static OrderRow Read(NpgsqlDataReader reader)
    {
        var items = JsonSerializer.Deserialize<IReadOnlyList<OrderItem>>(reader.GetString(6), PlatformJson.Options)!;
        return new OrderRow(
            reader.GetGuid(0),
            new OrderState(
                reader.GetInt32(5), Enum.Parse<OrderStatus>(reader.GetString(3)), OrderState.CentsOf(reader.GetDecimal(4)), reader.GetString(2), reader.GetString(1),
                reader.GetFieldValue<DateTimeOffset>(7).UtcDateTime, reader.GetFieldValue<DateTimeOffset>(8).UtcDateTime, OrderState.HashOf(items)),
            items);
    }
}
