using System.CommandLine;
using System.Runtime.InteropServices;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Postgres;
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
var port = new Option<int>("--port")
{
    Description = "Loopback port to listen on; 0 takes a free one (default: 0)",
    CustomParser = result =>
    {
        if (!ushort.TryParse(result.Tokens[0].Value, out var number))
        {
            result.AddError("--port takes a number from 0 to 65535.");
        }
        return number;
    },
};
var data = new Option<string?>("--data") { Description = "Folder for its data (default: .orderplatform/<engine>)" };
var root = new RootCommand("Runs one embedded engine in the foreground, on 127.0.0.1, until Ctrl-C or SIGTERM. It is fetched on first use.") { name, port, data };
root.SetAction((parsed, _) => RunAsync(parsed.GetValue(name)!, parsed.GetValue(port), parsed.GetValue(data)));

var parsed = root.Parse(args);
if (parsed.Errors is [var error, ..])
{
    Console.Error.WriteLine($"{error.Message} See --help.");
    return BadUsage;
}
return await parsed.InvokeAsync();

static async Task<int> RunAsync(string name, int port, string? data)
{
    using var stop = new CancellationTokenSource();
    void Stop(PosixSignalContext signal)
    {
        signal.Cancel = true; // the engine is stopped in order first
        stop.Cancel();
    }
    using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
    using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);

    var dataFolder = Path.GetFullPath(data ?? Path.Combine(".orderplatform", name));
    try
    {
        return name switch
        {
            "postgres" => await RunChildAsync(new PostgresEngine(), dataFolder, port, address => $"{address}, user {PostgresEngine.User}, password in {PostgresEngine.PasswordFile(dataFolder)}", stop.Token),
            "redis" => await RunChildAsync(new RedisEngine(), dataFolder, port, address => address, stop.Token),
            "kafka" => throw new EngineException("The Kafka engine is not wired up yet."), // WIRE: Kafka.KafkaServer.RunAsync(new KafkaOptions { ... }, stop.Token)
            _ => throw new EngineException("The ClickHouse engine is not wired up yet."), // WIRE: ClickHouse.ClickHouseServer.RunAsync(new ClickHouseOptions { ... }, stop.Token)
        };
    }
    catch (EngineException e)
    {
        Console.Error.WriteLine(e.Message);
        return 1;
    }
    catch (OperationCanceledException) when (stop.IsCancellationRequested)
    {
        return 0;
    }
}

static async Task<int> RunChildAsync(IEngine engine, string dataFolder, int port, Func<string, string> describe, CancellationToken stop)
{
    await using var running = await RunningEngine.StartAsync(engine, dataFolder, port, Console.Error.WriteLine, stop);
    Console.WriteLine($"{engine.Name} is ready on {describe(running.Address)}");
    var stopped = new TaskCompletionSource();
    await using var registration = stop.Register(stopped.SetResult);
    if (await Task.WhenAny(stopped.Task, running.Process.Exited) == stopped.Task)
    {
        return 0;
    }
    throw new EngineException($"{engine.Name} has ended by itself with exit code {await running.Process.Exited}; its last lines above say why.");
}
