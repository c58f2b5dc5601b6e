using OrderPlatform.Engines.Kafka.Protocol;
using OrderPlatform.Engines.Kafka.Storage;

namespace OrderPlatform.Tests.Engines.Kafka;

public sealed class PartitionLogTests
{
    [Fact]
    public void Every_offset_is_found_from_every_start_and_with_every_limit()
    {
        using var test = new TestLog(("segment.bytes", "20000"));
        var next = 0L;
        for (var i = 0; i < 200; i++)
        {
            test.Append(new TestBatch { Records = 1 + (i % 7), ValueSize = 1 + (i * 37 % 900) }).ShouldBe(next);
            next += 1 + (i % 7);
        }

        test.Segments.Length.ShouldBeGreaterThan(5);
        foreach (var bytesMax in (int[])[0, 100, 5_000, 1 << 20])
        {
            for (var from = 0L; from <= next; from += 13)
            {
                test.ReadOffsets(from, bytesMax).ShouldBe(Enumerable.Range((int)from, (int)(next - from)).Select(o => (long)o));
            }
        }
    }

    [Fact]
    public void A_limit_is_kept_except_for_a_first_batch_that_is_longer()
    {
        using var test = new TestLog();
        test.Append(new TestBatch { ValueSize = 1_000 });
        test.Append(new TestBatch { ValueSize = 1_000 });

        test.Log.Read(0, 500, atLeastOneBatch: false).Slice.ShouldBeNull();
        var first = test.Log.Read(0, 500, atLeastOneBatch: true).Slice!.Value;
        first.Length.ShouldBeInRange(1_000, 1_200);
        first.Segment.Release();
    }

    [Fact]
    public void Offsets_outside_of_the_log_are_out_of_range()
    {
        using var test = new TestLog();
        test.Append(new TestBatch { Records = 3 });

        test.Log.Read(-1, 100, true).Error.ShouldBe(ErrorCode.OffsetOutOfRange);
        test.Log.Read(3, 100, true).Error.ShouldBe(ErrorCode.None);
        test.Log.Read(4, 100, true).Error.ShouldBe(ErrorCode.OffsetOutOfRange);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1_000, 0)]
    [InlineData(1_004, 4)]
    [InlineData(1_005, 10)]
    [InlineData(3_009, 29)]
    public void A_timestamp_is_found_to_the_record(long timestamp, long offset)
    {
        using var test = new TestLog(("segment.bytes", "1024"));
        test.Append(new TestBatch { Records = 10, Timestamp = 1_000, ValueSize = 40 });
        // out of order, as producers' clocks may be
        test.Append(new TestBatch { Records = 10, Timestamp = 2_000, ValueSize = 40 });
        test.Append(new TestBatch { Records = 10, Timestamp = 3_000, ValueSize = 40 });
        // what the first batch has at 1,005 and later comes before offset 10
        var expected = timestamp == 1_005 ? 5 : offset;

        test.Log.FindTimestamp(timestamp).Found!.Value.Offset.ShouldBe(expected);
        test.CloseAndReopen();
        test.Log.FindTimestamp(timestamp).Found!.Value.Offset.ShouldBe(expected);
        test.Log.FindTimestamp(3_010).Found.ShouldBeNull();
    }

    [Fact]
    public void Wrong_batches_get_their_error_code_and_change_nothing()
    {
        using var test = new TestLog(("max.message.bytes", "5000"));
        test.Append(new TestBatch());
        var good = new TestBatch().ToBytes();

        ErrorCode Error(byte[] bytes) => test.Log.Append(bytes).Error;
        Error([]).ShouldBe(ErrorCode.CorruptMessage);
        Error(good[..^1]).ShouldBe(ErrorCode.CorruptMessage);
        Error([.. good[..^1], (byte)(good[^1] ^ 1)]).ShouldBe(ErrorCode.CorruptMessage);
        Error([.. good, .. good]).ShouldBe(ErrorCode.InvalidRecord);
        Error(new TestBatch { Magic = 0 }.ToBytes()).ShouldBe(ErrorCode.UnsupportedForMessageFormat);
        Error(new TestBatch { Magic = 1 }.ToBytes()).ShouldBe(ErrorCode.UnsupportedForMessageFormat);
        Error(new TestBatch { Magic = 3 }.ToBytes()).ShouldBe(ErrorCode.CorruptMessage);
        Error(new TestBatch { ValueSize = 5_000 }.ToBytes()).ShouldBe(ErrorCode.MessageTooLarge);
        Error(new TestBatch { Attributes = 5 }.ToBytes()).ShouldBe(ErrorCode.UnsupportedCompressionType);
        Error(new TestBatch { Attributes = 0x10 }.ToBytes()).ShouldBe(ErrorCode.InvalidTxnState);
        Error(new TestBatch { Attributes = 0x20 }.ToBytes()).ShouldBe(ErrorCode.InvalidRecord);
        Error(new TestBatch { ClaimedRecords = 0 }.ToBytes()).ShouldBe(ErrorCode.InvalidRecord);
        Error(new TestBatch { ClaimedRecords = -5 }.ToBytes()).ShouldBe(ErrorCode.InvalidRecord);
        Error(new TestBatch { ClaimedLastOffsetDelta = 7 }.ToBytes()).ShouldBe(ErrorCode.InvalidRecord);
        Error(new TestBatch { ClaimedLastOffsetDelta = int.MaxValue }.ToBytes()).ShouldBe(ErrorCode.InvalidRecord);
        Error(new TestBatch { ProducerId = 1, Epoch = 0, Sequence = -1 }.ToBytes()).ShouldBe(ErrorCode.InvalidRecord);

        test.ReadOffsets().ShouldBe([0L]);
        test.Append(new TestBatch()).ShouldBe(1);
    }

    [Fact]
    public void What_a_client_wrote_is_kept_to_the_byte_except_for_its_place()
    {
        using var test = new TestLog();
        test.Append(new TestBatch { Records = 5 });
        // a codec that nobody here can read
        var batch = new TestBatch { Records = 3, Attributes = 4 }.ToBytes();
        test.Log.Append([.. batch]).BaseOffset.ShouldBe(5);

        var slice = test.Log.Read(5, 1 << 20, true).Slice!.Value;
        var read = new byte[slice.Length];
        slice.Segment.Read(read, slice.Position);
        slice.Segment.Release();
        RecordBatchHeader.Patch(batch, 5);
        read.ShouldBe(batch);
    }

    [Fact]
    public void A_waiting_reader_is_woken_by_an_append_and_by_the_end()
    {
        using var test = new TestLog();
        var signal = new AppendSignal();
        test.Log.Subscribe(signal);
        signal.Task.IsCompleted.ShouldBeFalse();

        test.Append(new TestBatch());
        signal.Task.IsCompleted.ShouldBeTrue();

        signal.Reset();
        test.Log.Abandon();
        signal.Task.IsCompleted.ShouldBeTrue();
        test.Log.Read(0, 1, true).Error.ShouldBe(ErrorCode.UnknownTopicOrPartition);
    }
}
