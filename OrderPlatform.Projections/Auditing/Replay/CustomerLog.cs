using System.Runtime.CompilerServices;
using System.Text.Json;
using Npgsql;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Contracts.Json;
using OrderPlatform.Projections.CustomerView;

namespace OrderPlatform.Projections.Auditing.Replay;

/// <summary>A version of a customer, from the event log.</summary>
/// <param name="RecordedAt">UTC.</param>
internal sealed record LoggedCustomer(string Id, CustomerState State, DateTime RecordedAt);

/// <summary>What customers were, for copies that are behind them.</summary>
internal static class CustomerLog
{
    /// <summary>Every version of these customers, a customer after the other, the first version first.</summary>
    public static async IAsyncEnumerable<LoggedCustomer> ReadAsync(NpgsqlConnection orders, IEnumerable<string> ids, [EnumeratorCancellation] CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT key, sequence, occurred_at, recorded_at, type, payload FROM event_log WHERE stream = ANY ($1) ORDER BY stream, sequence", orders)
        {
            CommandTimeout = 0,
            Parameters = { new() { Value = ids.Select(id => $"{EventTypes.Customer}/{id}").ToArray() } },
        };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        DateTimeOffset createdAt = default;
        while (await reader.ReadAsync(cancellation))
        {
            var (version, at) = (reader.GetInt32(1), reader.GetFieldValue<DateTimeOffset>(2));
            createdAt = version == 1 ? at : createdAt;
            var happened = Read(reader.GetString(4), reader.GetFieldValue<byte[]>(5));
            var fields = new CustomerFields(happened.Name, happened.Email, happened.Phone, happened.Address, version, createdAt, at);
            yield return new LoggedCustomer(reader.GetString(0), CustomerState.Of(fields), reader.GetFieldValue<DateTimeOffset>(3).UtcDateTime);
        }
    }

    private static CustomerEvent Read(string type, byte[] payload) =>
        EventTypes.Find(type) is { } known && JsonSerializer.Deserialize(payload, known.Payload, PlatformJson.Options) is CustomerEvent happened
            ? happened
            : throw new CannotBeAuditedException($"The event log holds a {type}, which this build does not know as an event of a customer.");
}
