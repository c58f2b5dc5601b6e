using System.CommandLine;
using OrderPlatform.Engines;
using OrderPlatform.Engines.ClickHouse;
using OrderPlatform.Engines.Getting;
using OrderPlatform.Engines.Kafka;
using OrderPlatform.Engines.Postgres;
using OrderPlatform.Engines.Processes;
using OrderPlatform.Engines.Redis;

const int BadUsage = 2;

var name = new Argument<string>("engine") { Description = "postgres, kafka, redis or clickhouse" };
name.Validators.Add(result =>
{
    if (result.GetValue(name) is not ("postgres" or "kafka" or "redis" or "clickhouse"))
    {
        result.AddError($"There is no engine {result.GetValue(name)}: name postgres, kafka, redis or clickhouse.");
    }
});
var port = Port("--port", "Loopback port to listen on; 0 takes a free one (default: 0)");
var advertisedPort = Port("--advertised-port", "kafka: the port that clients are told to connect to, when something stands between (default: its own)");
var data = new Option<string?>("--data") { Description = "Folder for its data (default: .orderplatform/<engine>)" };
var autoCreate = new Option<bool>("--auto-create-topics") { Description = "kafka: make a topic when a client asks for one that does not exist" };
var root = new RootCommand("Runs one embedded engine in the foreground, on 127.0.0.1, until Ctrl-C or SIGTERM. It is fetched on first use.") { name, port, data, autoCreate, advertisedPort };
root.SetAction((parsed, _) => RunAsync(parsed.GetValue(name)!, parsed.GetValue(port), parsed.GetValue(data), parsed.GetValue(autoCreate), parsed.GetValue(advertisedPort)));

var kept = new Argument<string>("kept") { Description = "Folder that keeps what was compiled" };
var folders = new Argument<string[]>("folders") { Description = "Folders of assemblies" };
var compile = new Command("compile", "Compiles assemblies ahead of time, in place (ReadyToRun). A build of the host does it to the services.") { kept, folders };
compile.SetAction((parsed, cancellation) => ReadyToRun.CompileAsync(parsed.GetValue(folders)!, parsed.GetValue(kept)!, EngineCache.User, cancellation));
root.Subcommands.Add(compile);

var parsed = root.Parse(args);
if (parsed.Errors is [var error, ..])
{
    Console.Error.WriteLine($"{error.Message} See --help.");
    return BadUsage;
}
return await parsed.InvokeAsync();

static Option<int> Port(string name, string description) => new(name)
{
    Description = description,
    CustomParser = result =>
    {
        if (!ushort.TryParse(result.Tokens[0].Value, out var number))
        {
            result.AddError($"{name} takes a number from 0 to 65535.");
        }
        return number;
    },
};

static async Task<int> RunAsync(string name, int port, string? data, bool autoCreateTopics, int advertisedPort)
{
    using var stop = new StopSignal();
    var dataFolder = Path.GetFullPath(data ?? Path.Combine(".orderplatform", name));
    try
    {
        switch (name)
        {
            case "postgres":
                await RunChildAsync(new PostgresEngine(), dataFolder, port, $"user {PostgresEngine.User}, password in {PostgresEngine.PasswordFile(dataFolder)}", stop.Token);
                break;
            case "redis":
                await RunChildAsync(new RedisEngine(), dataFolder, port, "no password", stop.Token);
                break;
            case "kafka":
                await KafkaServer.RunAsync(new KafkaOptions { Port = port, AdvertisedPort = advertisedPort, DataFolder = dataFolder, AutoCreateTopics = autoCreateTopics }, stop.Token);
                break;
            case "clickhouse":
                await ClickHouseServer.RunAsync(new ClickHouseOptions(await new ClickHouseEngine().GetLibraryAsync(stop.Token), dataFolder, port), stop.Token);
                break;
        }
        return 0;
    }
    catch (EngineException e)
    {
        Console.Error.WriteLine(e.Message);
        return 1;
    }
    catch (OperationCanceledException) when (stop.Token.IsCancellationRequested)
    {
        return 0;
    }
}

static async Task RunChildAsync(IEngine engine, string dataFolder, int port, string remark, CancellationToken stop)
{
    await using var running = await RunningEngine.StartAsync(engine, dataFolder, port, Console.Error.WriteLine, stop);
    Console.WriteLine($"{engine.Name} is ready on {running.Address}, {remark}");
    var exitCode = await running.Process.Exited.WaitAsync(stop);
    throw new EngineException($"{engine.Name} has ended by itself with exit code {exitCode}; its last lines above say why.");
}
