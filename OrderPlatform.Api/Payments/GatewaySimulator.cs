using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Payments;

/// <summary>
/// The built-in payment gateway. It keeps books of its own, so that one charge for each key can be proven. It declines, times
/// out and answers twice at the rates that are set, and for customers whose id ends with <c>-declined</c>, <c>-timeout</c>
/// (the first answer never comes), <c>-silent</c> (none ever comes) or <c>-twice</c>, so that anybody can try it.
/// </summary>
internal sealed class GatewaySimulator([FromKeyedServices(Connections.Orders)] NpgsqlDataSource source, IOptions<SimulatorOptions> options) : IPaymentGateway
{
    public async IAsyncEnumerable<ChargeAnswer> ChargeAsync(
        string idempotencyKey, decimal amount, string currency, string customerId, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var declined = Hits(customerId, "-declined", idempotencyKey, options.Value.DeclineRate);
        var (outcome, asked) = await BookAsync(idempotencyKey, amount, currency, customerId, declined ? "Declined" : "Charged", cancellation);
        if (customerId.EndsWith("-silent", StringComparison.Ordinal) || (asked == 1 && Hits(customerId, "-timeout", idempotencyKey, options.Value.TimeoutRate)))
        {
            throw new TimeoutException("The payment gateway did not answer.");
        }
        var answer = outcome switch
        {
            "Charged" => new ChargeAnswer(ReferenceOf(idempotencyKey), Refusal: null),
            "Declined" => new ChargeAnswer(Reference: null, "declined"),
            _ => new ChargeAnswer(Reference: null, "was called off"),
        };
        yield return answer;
        if (Hits(customerId, "-twice", idempotencyKey, options.Value.DoubleAnswerRate))
        {
            yield return answer;
        }
    }

    public async Task<string?> RefundAsync(string idempotencyKey, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand(
            """
            INSERT INTO gateway_charge AS known (key, outcome, asked) VALUES ($1, 'Closed', 0)
            ON CONFLICT (key) DO UPDATE SET refunded = known.outcome = 'Charged'
            RETURNING refunded
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = idempotencyKey });
        return (bool)(await command.ExecuteScalarAsync(cancellation))! ? ReferenceOf(idempotencyKey) : null;
    }

    private async Task<(string Outcome, int Asked)> BookAsync(string key, decimal amount, string currency, string customerId, string outcome, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand(
            """
            INSERT INTO gateway_charge AS known (key, customer_id, amount, currency, outcome, asked) VALUES ($1, $2, $3, $4, $5, 1)
            ON CONFLICT (key) DO UPDATE SET asked = known.asked + 1
            RETURNING outcome, asked
            """);
        command.Parameters.AddRange((NpgsqlParameter[])
        [
            new NpgsqlParameter<string> { TypedValue = key }, new NpgsqlParameter<string> { TypedValue = customerId },
            new NpgsqlParameter<decimal> { TypedValue = amount, NpgsqlDbType = NpgsqlDbType.Numeric }, new NpgsqlParameter<string> { TypedValue = currency },
            new NpgsqlParameter<string> { TypedValue = outcome },
        ]);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        return (reader.GetString(0), reader.GetInt32(1));
    }

    private static string ReferenceOf(string key) => "sim-" + Convert.ToHexStringLower(HashOf(key))[..16];

    // each rule draws from a hash of its own
    private static bool Hits(string customerId, string suffix, string key, double rate) =>
        customerId.EndsWith(suffix, StringComparison.Ordinal) || BinaryPrimitives.ReadUInt32BigEndian(HashOf(key + suffix)) < rate * uint.MaxValue;

    private static byte[] HashOf(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));
}
