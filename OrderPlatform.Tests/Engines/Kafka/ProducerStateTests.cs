using OrderPlatform.Engines.Kafka.Protocol;

namespace OrderPlatform.Tests.Engines.Kafka;

public sealed class ProducerStateTests
{
    [Fact]
    public void Each_of_the_last_five_batches_is_answered_with_its_own_offset_when_it_comes_again()
    {
        using var test = new TestLog();
        for (var i = 0; i < 6; i++)
        {
            test.Append(Batch(sequence: i * 2)).ShouldBe(i * 2);
        }

        for (var i = 1; i < 6; i++)
        {
            test.Append(Batch(sequence: i * 2)).ShouldBe(i * 2);
        }
        Error(test, Batch(sequence: 0)).ShouldBe(ErrorCode.OutOfOrderSequenceNumber);
        test.ReadOffsets().Count.ShouldBe(12);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void State_survives_every_end(bool inGoodOrder)
    {
        using var test = new TestLog();
        test.Append(Batch(sequence: 0));
        test.Append(Batch(sequence: 2));
        if (inGoodOrder)
        {
            test.CloseAndReopen();
        }
        else
        {
            test.KillAndReopen();
        }

        test.Append(Batch(sequence: 2)).ShouldBe(2);
        Error(test, Batch(sequence: 6)).ShouldBe(ErrorCode.OutOfOrderSequenceNumber);
        test.Append(Batch(sequence: 4)).ShouldBe(4);
    }

    [Fact]
    public void A_newer_epoch_starts_at_zero_and_fences_the_older()
    {
        using var test = new TestLog();
        test.Append(Batch(sequence: 0));

        Error(test, Batch(sequence: 2, epoch: 1)).ShouldBe(ErrorCode.OutOfOrderSequenceNumber);
        test.Append(Batch(sequence: 0, epoch: 1)).ShouldBe(2);
        Error(test, Batch(sequence: 2)).ShouldBe(ErrorCode.InvalidProducerEpoch);
    }

    [Fact]
    public void Sequences_wrap_around()
    {
        using var test = new TestLog();
        test.Append(Batch(sequence: int.MaxValue - 1));
        test.Append(Batch(sequence: 0)).ShouldBe(2);
        test.Append(Batch(sequence: int.MaxValue - 1)).ShouldBe(0);
    }

    [Fact]
    public void Producers_do_not_know_of_each_other()
    {
        using var test = new TestLog();
        test.Append(Batch(sequence: 0));
        test.Append(Batch(sequence: 0) with { ProducerId = 2 }).ShouldBe(2);
        test.Append(new TestBatch()).ShouldBe(4);
        test.Append(new TestBatch()).ShouldBe(5);
    }

    [Fact]
    public void A_producer_silent_for_a_day_is_forgotten_and_may_begin_anywhere()
    {
        using var test = new TestLog();
        test.Append(Batch(sequence: 0));
        test.Clock.Advance(TimeSpan.FromHours(25));
        test.CloseAndReopen();

        test.Append(Batch(sequence: 40)).ShouldBe(2);
    }

    private static TestBatch Batch(int sequence, short epoch = 0) => new() { Records = 2, ProducerId = 1, Epoch = epoch, Sequence = sequence };

    private static ErrorCode Error(TestLog test, TestBatch batch) => test.Log.Append(batch.ToBytes()).Error;
}
