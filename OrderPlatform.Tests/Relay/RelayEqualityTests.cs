using System.Globalization;
using System.Security.Cryptography;
using Confluent.Kafka;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Relay;

namespace OrderPlatform.Tests.Relay;

/// <summary>What CDC publishes of random transactions, killed and with the mode switched meanwhile, beside what polling reads of the same log afterwards.</summary>
public sealed class RelayEqualityTests(EngineFixture engines, ITestOutputHelper output)
{
    private static readonly TimeSpan KillBound = TimeSpan.FromSeconds(30);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>ORDERPLATFORM_TRANSACTIONS and ORDERPLATFORM_KILLS make it a longer one, ORDERPLATFORM_SEED repeats it: docs/results/relay-equality.md.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Both_modes_publish_the_same_bytes_in_the_same_order_for_each_key(bool switching)
    {
        var transactions = Setting("ORDERPLATFORM_TRANSACTIONS", 3000);
        var kills = Setting("ORDERPLATFORM_KILLS", 3);
        var seed = Setting("ORDERPLATFORM_SEED", Random.Shared.Next());
        await using var bed = await RelayBed.CreateAsync(engines);
        // large transactions are told while they run
        await bed.Database.ExecuteAsync($"ALTER DATABASE {bed.Database.Name} SET logical_decoding_work_mem = '64kB'", Cancellation);
        var random = new RandomTransactions(bed.Database, seed, Cancellation);

        var live = await LiveAsync(bed, random, transactions, kills, switching);
        await using var again = await RelayBed.CreateAsync(engines);
        await bed.Database.ExecuteAsync("DELETE FROM relay_checkpoint", Cancellation);
        await using var polling = RelayProcess.Start(bed.Database, again.Kafka, ("Relay__Mode", "Polling"));
        var replayed = await ReadAsync(again, random);

        output.WriteLine($"seed {seed}: {transactions:N0} transactions, {kills} kills{(switching ? ", each time in the other mode" : "")}: {replayed.Records.Values.Sum(key => key.Count):N0} events of {replayed.Records.Count} keys; repeats dropped: {live.Repeats:N0} live, {replayed.Repeats:N0} of the replay");
        foreach (var (key, version) in await random.VersionsAsync())
        {
            replayed.Records[key].Count.ShouldBe(version, key);
            live.Records[key].ShouldBe(replayed.Records[key], key);
        }
        live.Records.Count.ShouldBe(replayed.Records.Count);
        live.Repeats.ShouldBeGreaterThan(0, "no kill hit the relay at work");
    }

    private static async Task<Read> LiveAsync(RelayBed bed, RandomTransactions random, int transactions, int kills, bool switching)
    {
        await using (bed.Relay(RelayMode.Cdc))
        {
            await RelayBed.EventuallyAsync(async () => await bed.ScalarAsync("SELECT slot FROM relay_checkpoint") is string, "a slot, so that the first events come through it");
        }
        var writing = random.RunAsync(transactions);
        using (var published = new PublishedEvents(bed.Kafka))
        {
            for (var kill = 0; kill < kills; kill++)
            {
                await using var relay = bed.Relay(switching && kill % 2 == 1 ? RelayMode.Polling : RelayMode.Cdc, ("Relay__BatchSize", "50"), ("Relay__LeaseTimeout", "00:00:00.500"));
                published.More(transactions / (kills + 1), unless: Task.Delay(KillBound, Cancellation));
                await relay.KillAsync();
            }
        }
        await writing;
        await using var last = bed.Relay(RelayMode.Cdc);
        return await ReadAsync(bed, random);
    }

    // everything of the topic: each key's records without repeats, by what is in them
    private static async Task<Read> ReadAsync(RelayBed bed, RandomTransactions random)
    {
        var versions = await random.VersionsAsync();
        using var published = new PublishedEvents(bed.Kafka);
        published.Until(read => versions.All(version => read[version.Key].Contains(version.Value)));
        var records = new Dictionary<string, List<string>>();
        var last = new Dictionary<string, int>();
        var repeats = 0;
        foreach (var record in published.All)
        {
            var sequence = int.Parse(PublishedEvents.Header(record, Envelope.Sequence), CultureInfo.InvariantCulture);
            if (sequence <= last.GetValueOrDefault(record.Message.Key))
            {
                repeats++;
                continue;
            }
            last[record.Message.Key] = sequence;
            (records.TryGetValue(record.Message.Key, out var list) ? list : records[record.Message.Key] = []).Add(Content(record.Message));
        }
        return new Read(records, repeats);
    }

    private static string Content(Message<string, byte[]> message)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var header in message.Headers)
        {
            hash.AppendData(System.Text.Encoding.UTF8.GetBytes(header.Key));
            hash.AppendData(header.GetValueBytes());
        }
        hash.AppendData(message.Value);
        return Convert.ToHexString(hash.GetHashAndReset());
    }

    private static int Setting(string name, int otherwise) => int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var given) ? given : otherwise;

    private sealed record Read(Dictionary<string, List<string>> Records, int Repeats);
}
