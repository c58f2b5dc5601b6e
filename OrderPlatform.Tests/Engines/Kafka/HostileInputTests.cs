using System.Buffers.Binary;
using OrderPlatform.Engines.Kafka.Requests;

namespace OrderPlatform.Tests.Engines.Kafka;

/// <summary>Whatever comes in, the others are served, memory stays bounded and the log stays readable.</summary>
public sealed class HostileInputTests(KafkaFixture broker) : IClassFixture<KafkaFixture>
{
    private const long ResidentMax = 200_000_000;

    [Fact]
    public async Task Large_claims_take_no_memory()
    {
        var clients = new List<RawClient>();
        for (var i = 0; i < 500; i++)
        {
            var client = await RawClient.ConnectAsync(broker.Port);
            // 32 MB of records are announced; some bytes come
            var start = new byte[200];
            BinaryPrimitives.WriteInt32BigEndian(start, 32 << 20);
            await client.SendAsync(start);
            clients.Add(client);
        }

        await ServesOthersAsync();
        broker.ResidentBytes.ShouldBeLessThan(ResidentMax);
        foreach (var client in clients)
        {
            await client.DisposeAsync();
        }
    }

    [Fact]
    public async Task Absurd_counts_inside_whole_requests_are_dropped()
    {
        foreach (var (key, version) in ((ApiKey, short)[])[(ApiKey.Metadata, 1), (ApiKey.Metadata, 12), (ApiKey.Produce, 9), (ApiKey.Fetch, 12), (ApiKey.OffsetCommit, 8), (ApiKey.CreateTopics, 5), (ApiKey.DeleteGroups, 2)])
        {
            await using var client = await RawClient.ConnectAsync(broker.Port);
            await client.SendAsync(RawClient.Frame(key, version, w =>
            {
                for (var i = 0; i < 20; i++)
                {
                    w.Int32(0x7EFEFEFE);
                }
            }));
            (await client.IsDroppedAsync()).ShouldBeTrue($"{key}");
        }
        await ServesOthersAsync();
    }

    [Fact]
    public async Task Random_bytes_and_truncated_requests_disturb_nobody()
    {
        var random = new Random(42);
        var whole = RawClient.Frame(ApiKey.Metadata, 12, w =>
        {
            w.ArrayLength(-1);
            w.Bool(false);
            w.Bool(false);
            w.Tags();
        });
        for (var i = 0; i < 500; i++)
        {
            await using var client = await RawClient.ConnectAsync(broker.Port);
            var bytes = new byte[random.Next(1, 500)];
            random.NextBytes(bytes);
            switch (i % 3)
            {
                case 0:
                    await client.SendAsync(bytes);
                    break;
                case 1:
                    await client.SendAsync(whole[..random.Next(1, whole.Length)]);
                    break;
                default:
                    // a sound header of a random kind before random bytes
                    BinaryPrimitives.WriteInt32BigEndian(bytes, Math.Max(8, bytes.Length - 4));
                    await client.SendAsync(RawClient.Frame((ApiKey)random.Next(0, 61), (short)random.Next(0, 13), w => w.Bytes(bytes)));
                    break;
            }
        }

        await ServesOthersAsync();
        broker.ResidentBytes.ShouldBeLessThan(ResidentMax);
        broker.Log.ShouldNotContain("   at ");
        broker.Log.ShouldNotContain("a fault of the broker");
        // 500 faults in a moment are a few lines and a count
        broker.Log.Split('\n').Count(l => l.Contains("dropped")).ShouldBeLessThan(200);
    }

    [Fact]
    public async Task Ten_thousand_connections_opened_and_dropped_leave_nothing_behind()
    {
        for (var i = 0; i < 10_000; i += 50)
        {
            await Task.WhenAll(Enumerable.Range(0, 50).Select(async _ => await (await RawClient.ConnectAsync(broker.Port)).DisposeAsync()));
        }

        await ServesOthersAsync();
        broker.ResidentBytes.ShouldBeLessThan(ResidentMax);
    }

    private async Task ServesOthersAsync()
    {
        await using var client = await RawClient.ConnectAsync(broker.Port);
        (await client.AskAsync(ApiKey.ApiVersions, 0, _ => { })).Int16().ShouldBe((short)0);
    }
}
