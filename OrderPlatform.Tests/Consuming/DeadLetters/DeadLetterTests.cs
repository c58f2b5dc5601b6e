using System.Text;
using Confluent.Kafka;
using OrderPlatform.Consuming;
using OrderPlatform.Consuming.DeadLetters;
using OrderPlatform.Contracts.Events;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Tests.Consuming.DeadLetters;

/// <summary>A poison record parks its key, and nothing else; what was parked comes back in order (docs/decisions/0011).</summary>
public sealed class DeadLetterTests(EngineFixture engines)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string, string> Poisons => new()
    {
        { "envelope", "The record has no header ce_sequence." },
        { "payload", "StockReceived.v1 cannot be read" },
        { "type", "is not a StockReceived that this build knows" },
        { "data", "receipt_quantity_check" },
    };

    [Theory]
    [MemberData(nameof(Poisons))]
    public async Task A_poison_record_parks_its_key_in_order_and_all_others_flow_on(string kind, string error)
    {
        await using var stage = await ReceiptsStage.CreateAsync(engines);
        await stage.PublishAsync("a", 1, 1);
        await stage.PublishAsync("b", 1, 1);
        await PublishPoisonAsync(stage, kind);
        await stage.PublishAsync("a", 2, 2);
        await stage.PublishAsync("b", 3, 3);
        await stage.PublishAsync("b", 4, 4);
        await stage.PublishAsync("a", 3, 3);
        using var consumer = await stage.StartAsync();

        await stage.EventuallyAsync(stage.TakenAsync, "a 1:1 2:2 3:3; b 1:1");
        await stage.EventuallyAsync(stage.LettersAsync, "2 failed 1; 4 waiting 0; 5 waiting 0");

        (await stage.ErrorAsync(2)).ShouldContain(error);
        await stage.CaughtUpAsync();
        var parked = stage.DeadLetterTopic(3)[0];
        Header(parked, DeadLetterHeaders.Error).ShouldContain(error);
        (Header(parked, DeadLetterHeaders.Attempts), Header(parked, DeadLetterHeaders.Offset), Header(parked, Envelope.Subject)).ShouldBe(("1", "2", "b"));
        await consumer.StopAsync(Cancellation);
    }

    [Fact]
    public async Task Redriven_with_an_edited_value_it_is_taken_and_what_waited_after_it()
    {
        await using var stage = await ReceiptsStage.CreateAsync(engines);
        using var consumer = await ParkedAsync(stage);
        var parkedFor = stage.CompleteUntil;

        await stage.RedriveAsync(1, ReceiptsStage.Receipt("b", 2));

        await stage.EventuallyAsync(stage.TakenAsync, "a 1:1; b 1:1 2:2 3:3 4:4");
        await stage.EventuallyAsync(stage.LettersAsync, "1 redriven 1; 2 redriven 0; 3 redriven 0");
        (await stage.HistoryAsync(1)).ShouldBe($"parked consumer; redriveRequested {ReceiptsStage.Operator}; redriven consumer");
        await Eventually.TrueAsync(() => stage.CompleteUntil > parkedFor, TimeSpan.FromSeconds(10), () => "complete again", Cancellation);
        // the key is free
        await stage.PublishAsync("b", 5, 5);
        await stage.EventuallyAsync(stage.TakenAsync, "a 1:1; b 1:1 2:2 3:3 4:4 5:5");
        await consumer.StopAsync(Cancellation);
    }

    [Fact]
    public async Task What_fails_again_is_parked_again_at_its_place()
    {
        await using var stage = await ReceiptsStage.CreateAsync(engines);
        using var consumer = await ParkedAsync(stage);

        await stage.RedriveAsync(1);
        await stage.EventuallyAsync(stage.LettersAsync, "1 failed 2; 2 waiting 0; 3 waiting 0");
        var behind = await stage.PublishAsync("b", 5, 5);
        await stage.EventuallyAsync(stage.LettersAsync, $"1 failed 2; 2 waiting 0; 3 waiting 0; {behind} waiting 0");
        await stage.RedriveAsync(1, ReceiptsStage.Receipt("b", 2));

        await stage.EventuallyAsync(stage.TakenAsync, "a 1:1; b 1:1 2:2 3:3 4:4 5:5");
        (await stage.HistoryAsync(1)).ShouldBe($"parked consumer; redriveRequested {ReceiptsStage.Operator}; redriven consumer; failedAgain consumer; redriveRequested {ReceiptsStage.Operator}; redriven consumer");
        await consumer.StopAsync(Cancellation);
    }

    [Fact]
    public async Task Discarded_it_is_never_taken_and_what_waited_after_it_is()
    {
        await using var stage = await ReceiptsStage.CreateAsync(engines);
        using var consumer = await ParkedAsync(stage);

        await stage.DiscardAsync(1);

        await stage.EventuallyAsync(stage.TakenAsync, "a 1:1; b 1:1 3:3 4:4");
        (await stage.LettersAsync()).ShouldBe("1 discarded 1; 2 redriven 0; 3 redriven 0");
        (await stage.HistoryAsync(1)).ShouldBe($"parked consumer; discarded {ReceiptsStage.Operator}");
        await consumer.StopAsync(Cancellation);
    }

    [Theory]
    [InlineData(nameof(DeadLetterStep.Published))]
    [InlineData(nameof(DeadLetterStep.Parked))]
    [InlineData(nameof(DeadLetterStep.Copied))]
    [InlineData(nameof(DeadLetterStep.Sent))]
    [InlineData(nameof(DeadLetterStep.Taken))]
    public async Task A_crash_after_any_step_loses_doubles_and_reverses_nothing(string step)
    {
        await using var stage = await ReceiptsStage.CreateAsync(engines);
        var crashes = 0;
        // each step breaks off the first three times: whoever comes then knows nothing but what is in the stores
        using var consumer = await ParkedAsync(stage, reached =>
        {
            if (reached.ToString() == step && crashes++ < 3)
            {
                throw new ProgressLostException("as if the process died");
            }
        });
        await stage.RedriveAsync(1);
        await stage.EventuallyAsync(stage.LettersAsync, "1 failed 2; 2 waiting 0; 3 waiting 0");

        await stage.RedriveAsync(1, ReceiptsStage.Receipt("b", 2));

        await stage.EventuallyAsync(stage.TakenAsync, "a 1:1; b 1:1 2:2 3:3 4:4");
        await stage.EventuallyAsync(stage.LettersAsync, "1 redriven 2; 2 redriven 0; 3 redriven 0");
        crashes.ShouldBeGreaterThanOrEqualTo(3);
        await consumer.StopAsync(Cancellation);
    }

    [Fact]
    public async Task A_store_that_is_built_again_from_the_first_record_ends_up_the_same()
    {
        await using var stage = await ReceiptsStage.CreateAsync(engines);
        string letters;
        using (var consumer = await ParkedAsync(stage))
        {
            await stage.RedriveAsync(1);
            await stage.EventuallyAsync(stage.LettersAsync, "1 failed 2; 2 waiting 0; 3 waiting 0");
            await stage.RedriveAsync(1, ReceiptsStage.Receipt("b", 2));
            await stage.EventuallyAsync(stage.TakenAsync, "a 1:1; b 1:1 2:2 3:3 4:4");
            await stage.PublishAsync("b", 5, 5);
            var second = await stage.PublishAsync("b", 6, 1000);
            letters = $"1 redriven 2; 2 redriven 0; 3 redriven 0; {second} failed 1; {await stage.PublishAsync("b", 7, 7)} waiting 0";
            await stage.EventuallyAsync(stage.TakenAsync, "a 1:1; b 1:1 2:2 3:3 4:4 5:5");
            await stage.EventuallyAsync(stage.LettersAsync, letters);
            await consumer.StopAsync(Cancellation);
        }
        await stage.EmptyAsync();

        using var rebuilding = await stage.StartAsync();

        await stage.EventuallyAsync(stage.TakenAsync, "a 1:1; b 1:1 2:2 3:3 4:4 5:5");
        await stage.CaughtUpAsync();
        (await stage.LettersAsync()).ShouldBe(letters);
        await rebuilding.StopAsync(Cancellation);
    }

    [Fact]
    public async Task A_store_that_fails_parks_nothing()
    {
        await using var stage = await ReceiptsStage.CreateAsync(engines);
        await stage.ExecuteAsync("ALTER TABLE receipt RENAME TO elsewhere");
        await stage.PublishAsync("a", 1, 1);
        await stage.PublishAsync("a", 2, 2);
        using var consumer = await stage.StartAsync();
        await Eventually.TrueAsync(() => stage.State.Projections.Values.Any(projection => projection.Problem?.Contains("does not exist", StringComparison.Ordinal) == true), TimeSpan.FromSeconds(20), () => "the failure", Cancellation);

        await stage.ExecuteAsync("ALTER TABLE elsewhere RENAME TO receipt");

        await stage.EventuallyAsync(stage.TakenAsync, "a 1:1 2:2");
        (await stage.LettersAsync()).ShouldBe("");
        await consumer.StopAsync(Cancellation);
    }

    [Fact]
    public async Task Records_that_nobody_could_have_meant_stand_for_themselves()
    {
        await using var stage = await ReceiptsStage.CreateAsync(engines);
        await stage.PublishAsync(key: null, [], value: null);
        await stage.PublishAsync([0, 0xff], new Headers { { "x", null }, { Envelope.DeadLetter, "17/1"u8.ToArray() } }, [0, 0xff]);
        await stage.PublishAsync(new byte[5000], [], []);
        await stage.PublishAsync("a", 1, 1);
        using var consumer = await stage.StartAsync();

        await stage.EventuallyAsync(stage.TakenAsync, "a 1:1");
        await stage.EventuallyAsync(stage.LettersAsync, "0 failed 1; 1 failed 1; 2 failed 1");
        await stage.RedriveAsync(1);
        await stage.EventuallyAsync(stage.LettersAsync, "0 failed 1; 1 failed 2; 2 failed 1");
        await consumer.StopAsync(Cancellation);
    }

    [Fact]
    public async Task A_copy_that_is_for_another_consumer_is_passed_over()
    {
        await using var stage = await ReceiptsStage.CreateAsync(engines);
        var headers = EnvelopeHeaders.Of("a/1", "StockReceived.v1", "stock", "a", 1, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch, null);
        headers.Add(Envelope.RedrivenFor, "somebody-else"u8.ToArray());
        headers.Add(Envelope.DeadLetter, "17/1"u8.ToArray());
        await stage.PublishAsync("a"u8.ToArray(), headers, ReceiptsStage.Receipt("a", 99));
        await stage.PublishAsync("a", 1, 1);
        using var consumer = await stage.StartAsync();

        await stage.EventuallyAsync(stage.TakenAsync, "a 1:1");
        await consumer.StopAsync(Cancellation);
    }

    // the poison is b 2 at offset 1; b 3 and b 4 stand behind it at 2 and 3
    private static async Task<PartitionConsumer> ParkedAsync(ReceiptsStage stage, Action<DeadLetterStep>? reached = null)
    {
        await stage.PublishAsync("b", 1, 1);
        await stage.PublishAsync("b", 2, 1000);
        await stage.PublishAsync("b", 3, 3);
        await stage.PublishAsync("b", 4, 4);
        await stage.PublishAsync("a", 1, 1);
        var consumer = await stage.StartAsync(reached);
        await stage.EventuallyAsync(stage.TakenAsync, "a 1:1; b 1:1");
        await stage.EventuallyAsync(stage.LettersAsync, "1 failed 1; 2 waiting 0; 3 waiting 0");
        await stage.CaughtUpAsync();
        return consumer;
    }

    private static Task<long> PublishPoisonAsync(ReceiptsStage stage, string kind)
    {
        var headers = EnvelopeHeaders.Of("b/2", kind == "type" ? "StockReceived.v9" : "StockReceived.v1", "stock", "b", 2, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch, null);
        if (kind == "envelope")
        {
            headers.Remove(Envelope.Sequence);
        }
        return stage.PublishAsync("b"u8.ToArray(), headers, kind == "payload" ? """{"productId":"b"}"""u8.ToArray() : ReceiptsStage.Receipt("b", kind == "data" ? 1000 : 2));
    }

    private static string Header(Message<byte[], byte[]> message, string name) => Encoding.UTF8.GetString(message.Headers.GetLastBytes(name));
}
