using OrderPlatform.Engines.Kafka.Protocol;

namespace OrderPlatform.Tests.Engines.Kafka;

public sealed class RetentionTests
{
    private static readonly TestBatch Kilobyte = new() { ValueSize = 900 };

    [Fact]
    public void Nothing_is_deleted_by_default()
    {
        using var test = new TestLog(("segment.bytes", "1024"));
        Append(test, 10);
        test.Clock.Advance(TimeSpan.FromDays(1000));

        test.Log.ApplyRetention();

        test.ReadOffsets().Count.ShouldBe(10);
    }

    [Fact]
    public void Size_deletes_whole_segments_from_the_oldest_on_and_keeps_at_least_the_limit()
    {
        using var test = new TestLog(("segment.bytes", "2048"), ("retention.bytes", "5000"));
        Append(test, 20);

        var start = test.Log.Borders().StartOffset;
        start.ShouldBeInRange(10, 15);
        test.Segments.Sum(s => new FileInfo(s).Length).ShouldBeInRange(5000, 5000 + (2 * 2048));
        test.Log.Read(start - 1, 100, true).Error.ShouldBe(ErrorCode.OffsetOutOfRange);
        test.ReadOffsets(start).Count.ShouldBe(20 - (int)start);
        test.Lines.All.ShouldContain($"the log starts at {start}");

        test.KillAndReopen();
        test.Log.Borders().StartOffset.ShouldBe(start);
        Append(test, 1).ShouldBe(20);
    }

    [Fact]
    public void Age_deletes_whole_segments_and_closes_an_old_active_one_first()
    {
        using var test = new TestLog(("segment.bytes", "2048"), ("retention.ms", "60000"));
        Append(test, 5);
        test.Clock.Advance(TimeSpan.FromSeconds(59));
        Append(test, 1);
        test.Log.ApplyRetention();
        test.Log.Borders().StartOffset.ShouldBe(0);

        test.Clock.Advance(TimeSpan.FromSeconds(2));
        test.Log.ApplyRetention();
        test.Log.Borders().StartOffset.ShouldBe(4);

        test.Clock.Advance(TimeSpan.FromSeconds(61));
        test.Log.ApplyRetention();
        test.Log.Borders().ShouldBe((ErrorCode.None, 6, 6, long.MinValue));
        test.Segments.Length.ShouldBe(1);
        test.KillAndReopen();
        Append(test, 1).ShouldBe(6);
    }

    [Fact]
    public void A_reader_finishes_in_a_segment_that_is_deleted_meanwhile()
    {
        using var test = new TestLog(("segment.bytes", "1024"), ("retention.bytes", "0"));
        Append(test, 1);
        var slice = test.Log.Read(0, 1 << 20, true).Slice!.Value;
        Append(test, 2);
        test.Segments.Length.ShouldBe(1);

        var bytes = new byte[slice.Length];
        slice.Segment.Read(bytes, slice.Position).ShouldBe(slice.Length);
        slice.Segment.Release();
    }

    private static long Append(TestLog test, int count)
    {
        var last = -1L;
        for (var i = 0; i < count; i++)
        {
            last = test.Append(Kilobyte with { Timestamp = test.Clock.GetUtcNow().ToUnixTimeMilliseconds() });
        }
        return last;
    }
}
