using System.Buffers.Binary;
using System.IO.Pipelines;
using OrderPlatform.Engines.Kafka;
using OrderPlatform.Engines.Kafka.Requests;
using OrderPlatform.Engines.Kafka.Server;

namespace OrderPlatform.Tests.Engines.Kafka;

public sealed class FrameTests(KafkaFixture broker) : IClassFixture<KafkaFixture>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(int.MaxValue, "a request of 2147483647 bytes")]
    [InlineData(-1, "a request of -1 bytes")]
    [InlineData(0, "a request of 0 bytes")]
    [InlineData(7, "a request of 7 bytes")]
    public async Task A_length_that_cannot_be_is_dropped_at_once_with_a_reason(int length, string reason)
    {
        await using var client = await RawClient.ConnectAsync(broker.Port);
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, length);

        await client.SendAsync(bytes);

        (await client.IsDroppedAsync()).ShouldBeTrue();
        await broker.LogsAsync(reason);
        await using var other = await RawClient.ConnectAsync(broker.Port);
        (await other.AskAsync(ApiKey.ApiVersions, 0, _ => { })).Int16().ShouldBe((short)0);
    }

    [Fact]
    public async Task Requests_are_read_however_their_bytes_are_cut()
    {
        var pipe = new Pipe();
        using var frames = new FrameReader(pipe.Reader, new RequestBudget(), new KafkaOptions { DataFolder = "" });
        var sent = new[] { Frame(8), Frame(100_000), Frame(9), Frame(3 << 20) };
        var bytes = sent.SelectMany(f => f).ToArray();
        var feeding = Task.Run(async () =>
        {
            for (var (at, size) = (0, 1); at < bytes.Length; (at, size) = (at + size, Math.Min((size * 2) + 1, 70_000)))
            {
                await pipe.Writer.WriteAsync(bytes.AsMemory(at, Math.Min(size, bytes.Length - at)), Cancellation);
            }
            await pipe.Writer.CompleteAsync();
        }, Cancellation);

        foreach (var frame in sent)
        {
            (await frames.MoveNextAsync()).ShouldBeTrue();
            frames.Bytes.AsSpan(0, frames.Length).SequenceEqual(frame.AsSpan(4)).ShouldBeTrue();
        }
        (await frames.MoveNextAsync()).ShouldBeFalse();
        await feeding;
    }

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(50)]
    public async Task A_request_that_does_not_become_whole_is_dropped_when_its_time_is_over(int bytes)
    {
        var clock = new ManualClock();
        var pipe = new Pipe();
        using var frames = new FrameReader(pipe.Reader, new RequestBudget(), new KafkaOptions { DataFolder = "", Clock = clock, FrameBound = TimeSpan.FromSeconds(30) });
        var reading = frames.MoveNextAsync().AsTask();
        // an idle connection may be idle for ever
        clock.Advance(TimeSpan.FromHours(1));
        reading.IsCompleted.ShouldBeFalse();

        await pipe.Writer.WriteAsync(Frame(100).AsMemory(0, bytes), Cancellation);
        var late = Should.ThrowAsync<ConnectionDroppedException>(() => reading);
        while (!reading.IsCompleted)
        {
            clock.Advance(TimeSpan.FromSeconds(31));
            await Task.Yield();
        }
        (await late).Message.ShouldContain("not whole within 30 s");
    }

    [Fact]
    public async Task Only_produce_requests_may_be_large()
    {
        var pipe = new Pipe();
        using var frames = new FrameReader(pipe.Reader, new RequestBudget(), new KafkaOptions { DataFolder = "" });
        var frame = Frame(2 << 20);
        BinaryPrimitives.WriteInt16BigEndian(frame.AsSpan(4), (short)ApiKey.Metadata);
        await pipe.Writer.WriteAsync(frame.AsMemory(0, 100), Cancellation);

        (await Should.ThrowAsync<ConnectionDroppedException>(() => frames.MoveNextAsync().AsTask())).Message.ShouldContain("of API 3");
    }

    [Fact]
    public void All_requests_together_have_a_bound()
    {
        var budget = new RequestBudget();
        budget.Take(100 << 20);
        Should.Throw<ConnectionDroppedException>(() => budget.Take(100 << 20)).Message.ShouldContain("128 MB");
        budget.Give(100 << 20);
        budget.Take(100 << 20);
    }

    // a produce request by its key, of so many bytes
    private static byte[] Frame(int length)
    {
        var frame = new byte[4 + length];
        Random.Shared.NextBytes(frame.AsSpan(6));
        BinaryPrimitives.WriteInt32BigEndian(frame, length);
        return frame;
    }
}
