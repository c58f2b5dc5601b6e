using System.Buffers.Binary;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Redis;
using StackExchange.Redis;

namespace OrderPlatform.Tests.Engines.Redis;

public sealed class TornCommitTests : IDisposable
{
    private const int FirstAddress = 64;
    private const int Sector = 512;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_commit_that_is_cut_off_behind_its_version_does_not_empty_the_log()
    {
        await using (var redis = await StartAsync())
        {
            (await AskAsync(redis, database => database.StringSetAsync("kept", "yes"))).ShouldBeTrue();
            await redis.Process.KillAsync();
        }
        CutOff(Path.Combine(_folder["redis"], "AOF", "aof.log.0"));

        await using var again = await StartAsync();

        ((string?)await AskAsync(again, database => database.StringGetAsync("kept"))).ShouldBe("yes");
    }

    [Fact]
    public void Any_other_end_of_the_log_is_left_as_it_is()
    {
        var log = Path.Combine(Directory.CreateDirectory(Path.Combine(_folder["redis"], "AOF")).FullName, "aof.log.0");
        byte[] end = [0xd8, 0xff, 0xff, 0xff, 1, 0, 0, 1];
        File.WriteAllBytes(log, end);

        TornCommit.Mend(_folder["redis"]);

        File.ReadAllBytes(log).ShouldBe(end);
    }

    // what a kill -9 leaves now and then: an entry that nobody has committed yet, and the first eight bytes of the commit, at the end of a sector
    private static void CutOff(string path)
    {
        using var log = File.Open(path, FileMode.Open, FileAccess.ReadWrite);
        var tail = TailOf(log);
        var end = (tail + Sector + Sector) / Sector * Sector;
        var entry = new byte[end - tail];
        BinaryPrimitives.WriteInt32LittleEndian(entry, entry.Length - sizeof(int) - 8);
        BinaryPrimitives.WriteInt32LittleEndian(entry.AsSpan(entry.Length - 8), -40);
        BinaryPrimitives.WriteInt32LittleEndian(entry.AsSpan(entry.Length - 4), 1);
        log.Position = tail;
        log.Write(entry);
        log.SetLength(end);
    }

    // every record is its length, negative for a commit, and that many bytes, up to the next multiple of four; zero is the end
    private static int TailOf(FileStream log)
    {
        var position = FirstAddress;
        var length = new byte[sizeof(int)];
        while (true)
        {
            log.Position = position;
            log.ReadExactly(length);
            var bytes = Math.Abs(BinaryPrimitives.ReadInt32LittleEndian(length));
            if (bytes == 0)
            {
                return position;
            }
            position += sizeof(int) + ((bytes + 3) & ~3);
        }
    }

    private Task<RunningEngine> StartAsync() =>
        RunningEngine.StartAsync(new RedisEngine(), _folder["redis"], 0, TestContext.Current.SendDiagnosticMessage, TestContext.Current.CancellationToken);

    private static async Task<T> AskAsync<T>(RunningEngine redis, Func<IDatabase, Task<T>> ask)
    {
        using var connection = await ConnectionMultiplexer.ConnectAsync(new ConfigurationOptions { EndPoints = { { "127.0.0.1", redis.Port } }, SyncTimeout = 5000 });
        return await ask(connection.GetDatabase());
    }
}
