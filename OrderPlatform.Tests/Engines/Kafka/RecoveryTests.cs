using OrderPlatform.Engines.Kafka.Protocol;
using OrderPlatform.Engines.Kafka.Storage;

namespace OrderPlatform.Tests.Engines.Kafka;

public sealed class RecoveryTests
{
    [Fact]
    public void A_torn_last_batch_is_cut_at_every_byte_and_the_log_goes_on()
    {
        using var test = new TestLog();
        test.Append(new TestBatch { Records = 3 });
        var good = new FileInfo(test.Segments[^1]).Length;
        test.Append(new TestBatch { Records = 2 });
        var whole = File.ReadAllBytes(test.Segments[^1]);

        for (var length = good + 1; length < whole.Length; length++)
        {
            test.Log.Abandon();
            File.WriteAllBytes(test.Segments[^1], whole[..(int)length]);
            test.KillAndReopen();

            test.ReadOffsets().ShouldBe([0L, 1, 2]);
            new FileInfo(test.Segments[^1]).Length.ShouldBe(good);
            test.Lines.All.ShouldContain($"its {length - good} bytes, never acknowledged, are cut off {test.Segments[^1]} at byte {good}");
        }
        test.Append(new TestBatch { Records = 2 }).ShouldBe(3);
        test.KillAndReopen();
        test.ReadOffsets().ShouldBe([0L, 1, 2, 3, 4]);
    }

    [Fact]
    public void A_flipped_byte_in_the_last_batch_reads_as_torn_and_only_that_batch_is_cut()
    {
        using var test = new TestLog();
        test.Append(new TestBatch { Records = 3 });
        test.Append(new TestBatch { Records = 2 });
        Flip(test, fromEnd: 5);

        test.KillAndReopen();

        test.ReadOffsets().ShouldBe([0L, 1, 2]);
    }

    [Theory]
    [InlineData(3)] // base offset
    [InlineData(9)] // length
    [InlineData(16)] // magic
    [InlineData(18)] // CRC
    [InlineData(70)] // records
    public void A_flipped_byte_before_acknowledged_batches_is_never_cut_but_named(int at)
    {
        using var test = new TestLog();
        var first = new TestBatch { Records = 3 };
        test.Append(first);
        test.Append(first);
        test.Append(first);
        test.Log.Abandon();
        var path = test.Segments[^1];
        var before = File.ReadAllBytes(path);
        var second = first.ToBytes().Length;
        var damaged = (byte[])before.Clone();
        damaged[second + at] ^= 0x55;
        File.WriteAllBytes(path, damaged);

        test.KillAndReopen();

        test.Log.Read(0, 100, true).Error.ShouldBe(ErrorCode.KafkaStorageError);
        test.Log.Append(first.ToBytes()).Error.ShouldBe(ErrorCode.KafkaStorageError);
        test.Lines.All.ShouldContain($"{path} is damaged at byte {second}");
        test.Lines.All.ShouldContain("Put the file back from a copy");
        File.ReadAllBytes(path).ShouldBe(damaged);

        File.WriteAllBytes(path, before);
        test.KillAndReopen();
        test.ReadOffsets().Count.ShouldBe(9);
    }

    [Fact]
    public void Damage_in_a_segment_before_the_last_is_never_cut()
    {
        using var test = new TestLog(("segment.bytes", "1024"));
        for (var i = 0; i < 5; i++)
        {
            test.Append(new TestBatch { ValueSize = 900 });
        }
        test.Log.Abandon();
        File.Delete(Path.Combine(test.Folder, LogCheckpoint.FileName));
        using (var file = File.OpenWrite(test.Segments[2]))
        {
            file.SetLength(file.Length - 1);
        }

        test.KillAndReopen();

        test.Log.Read(0, 100, true).Error.ShouldBe(ErrorCode.KafkaStorageError);
        test.Lines.All.ShouldContain(test.Segments[2]);
    }

    [Fact]
    public void A_file_that_lost_checked_bytes_is_damaged()
    {
        using var test = new TestLog();
        test.Append(new TestBatch { Records = 3 });
        test.Append(new TestBatch { Records = 3 });
        test.Log.Close();
        using (var file = File.OpenWrite(test.Segments[^1]))
        {
            file.SetLength(file.Length - 1);
        }

        test.KillAndReopen();

        test.Log.Read(0, 100, true).Error.ShouldBe(ErrorCode.KafkaStorageError);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_log_is_the_same_after_any_end_and_without_its_derived_files(bool inGoodOrder)
    {
        using var test = new TestLog(("segment.bytes", "3000"));
        for (var i = 0; i < 40; i++)
        {
            test.Append(new TestBatch { Records = 2, ValueSize = 200, ProducerId = 7, Epoch = 0, Sequence = 2 * i });
        }
        var offsets = test.ReadOffsets();

        if (inGoodOrder)
        {
            test.CloseAndReopen();
        }
        else
        {
            test.KillAndReopen();
        }
        test.ReadOffsets().ShouldBe(offsets);

        test.Log.Abandon();
        foreach (var derived in Directory.GetFiles(test.Folder, "*.index").Append(Path.Combine(test.Folder, LogCheckpoint.FileName)))
        {
            File.Delete(derived);
        }
        test.KillAndReopen();
        test.ReadOffsets().ShouldBe(offsets);
        test.Log.Append(new TestBatch { Records = 2, ProducerId = 7, Epoch = 0, Sequence = 78 }.ToBytes()).BaseOffset.ShouldBe(78);
        test.Log.Append(new TestBatch { Records = 2, ProducerId = 7, Epoch = 0, Sequence = 90 }.ToBytes()).Error.ShouldBe(ErrorCode.OutOfOrderSequenceNumber);
    }

    [Fact]
    public void A_start_does_not_read_what_a_checkpoint_covers()
    {
        using var test = new TestLog();
        test.Append(new TestBatch { Records = 3 });
        test.Append(new TestBatch { Records = 3 });
        test.Log.Close();
        Flip(test, fromEnd: 5);

        test.KillAndReopen();

        // the flipped byte lies before the checkpoint: the start did not look at it
        test.Log.Read(0, 100, true).Error.ShouldBe(ErrorCode.None);
    }

    private static void Flip(TestLog test, int fromEnd)
    {
        using var file = File.Open(test.Segments[^1], FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        file.Seek(-fromEnd, SeekOrigin.End);
        var b = file.ReadByte();
        file.Seek(-1, SeekOrigin.Current);
        file.WriteByte((byte)(b ^ 0x55));
    }
}
