using System.CommandLine;
using OrderPlatform.Bench;
using OrderPlatform.Bench.Chaos;
using OrderPlatform.Bench.Engines;
using OrderPlatform.Bench.Import;
using OrderPlatform.Bench.Load;
using OrderPlatform.Bench.Rebuilding;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Getting;

var results = new Option<string>("--results") { Description = "Folder of the tables that are written", DefaultValueFactory = _ => Path.Combine("docs", "results") };
var root = new RootCommand("Benchmarks, load and imports.");

var records = new Option<int>("--records") { Description = "Records of the part with the broker alone", DefaultValueFactory = _ => 5_000_000 };
var broker = new Command("kafka-broker", "The embedded broker beside librdkafka's mock cluster") { records, results };
broker.SetAction(async (parsed, cancellation) =>
{
    Environment.SetEnvironmentVariable("ORDERPLATFORM_LIBRDKAFKA", await Librdkafka.GetAsync(EngineCache.User, cancellation));
    return await KafkaBench.RunAsync(parsed.GetValue(results)!, parsed.GetValue(records));
});
root.Add(broker);

var clickHouse = new Command("clickhouse-http", "ClickHouse over HTTP beside direct calls of the library") { results };
clickHouse.SetAction((parsed, _) => ClickHouseBench.RunAsync(parsed.GetValue(results)!));
root.Add(clickHouse);

var file = new Argument<string>("file") { Description = "CSV with customer_id,order_date,quantity,amount_usd" };
var api = new Option<string?>("--api") { Description = "URL of the Api (default: the running standalone host)" };
var apiKey = new Option<string?>("--api-key") { Description = "Key with the import scope" };
var import = new Command("import", "Replays a file of orders through the Api; a second run changes nothing") { file, api, apiKey };
import.SetAction((parsed, cancellation) => ImportCommand.RunAsync(parsed.GetValue(file)!, RunningHost.Find(parsed.GetValue(api), parsed.GetValue(apiKey)), cancellation));
root.Add(import);

var rates = new Option<string>("--rates") { Description = "Orders a second, one after the other", DefaultValueFactory = _ => "100,500,1000,2000" };
var seconds = new Option<int>("--seconds") { Description = "How long at each rate", DefaultValueFactory = _ => 30 };
var freshness = new Command("freshness", "How long an event takes to Kafka, Redis and ClickHouse, on a running standalone host") { rates, seconds, results };
freshness.SetAction(async (parsed, cancellation) =>
{
    Environment.SetEnvironmentVariable("ORDERPLATFORM_LIBRDKAFKA", await Librdkafka.GetAsync(EngineCache.User, cancellation));
    return await FreshnessBench.RunAsync(RunningHost.Find(null, null), Numbers(parsed.GetValue(rates)!), parsed.GetValue(seconds), parsed.GetValue(results)!, cancellation);
});
root.Add(freshness);

var orders = new Option<int>("--orders") { Description = "Orders to place", DefaultValueFactory = _ => 2000 };
var experiment = new Command("experiment", "Orders, changes, cancellations and repeats on a running standalone host, held against the objectives") { orders };
experiment.SetAction(async (parsed, cancellation) =>
{
    Environment.SetEnvironmentVariable("ORDERPLATFORM_LIBRDKAFKA", await Librdkafka.GetAsync(EngineCache.User, cancellation));
    return await ExperimentCommand.RunAsync(RunningHost.Find(null, null), parsed.GetValue(orders), cancellation);
});
root.Add(experiment);

var throughSaga = new Option<int>("--orders") { Description = "Orders to place", DefaultValueFactory = _ => 10_000 };
var saga = new Command("saga", "Orders through the saga of a running standalone host: refusals, silences, double answers and cancellations, then the books") { throughSaga, results };
saga.SetAction((parsed, cancellation) => SagaBench.RunAsync(RunningHost.Find(null, null), parsed.GetValue(throughSaga), parsed.GetValue(results)!, cancellation));
root.Add(saga);

var seed = new Option<int>("--seed") { Description = "Makes the plan of faults and the orders; the same seed, the same plan", DefaultValueFactory = _ => 42 };
var minutes = new Option<double>("--minutes") { Description = "How long faults come", DefaultValueFactory = _ => 10 };
var chaosRate = new Option<int>("--rate") { Description = "Orders a second", DefaultValueFactory = _ => 100 };
var only = new Option<string[]>("--only") { Description = "Only these faults, by kind (kill, stop, cut, ...) or by kind and target (such as 'kill relay')", AllowMultipleArgumentsPerToken = true };
var faultSeconds = new Option<double?>("--fault-seconds") { Description = "How long each fault lasts that lasts at all (default: as the seed says), such as 600 with --only 'stop kafka'" };
var recoverySeconds = new Option<double>("--recovery-seconds") { Description = "Objective: the p99 of recovery", DefaultValueFactory = _ => 5 };
var runFile = new Option<string?>("--run-file") { Description = "run.json of the host (default: that of this repository)" };
var chaos = new Command("chaos", "Kills, stops, cuts and starves a running standalone host under load, then proves that nothing was lost or doubled") { seed, minutes, chaosRate, only, faultSeconds, recoverySeconds, runFile, results };
chaos.SetAction(async (parsed, cancellation) =>
{
    var host = parsed.GetValue(runFile) is { } path ? RunningHost.At(path) : RunningHost.Find(null, null);
    var options = new ChaosOptions(parsed.GetValue(seed), TimeSpan.FromMinutes(parsed.GetValue(minutes)), parsed.GetValue(chaosRate), TimeSpan.FromSeconds(parsed.GetValue(recoverySeconds)),
        parsed.GetValue(faultSeconds) is { } length ? TimeSpan.FromSeconds(length) : null);
    return await ChaosCommand.RunAsync(host, options, parsed.GetValue(only) ?? [], parsed.GetValue(results)!, cancellation);
});
root.Add(chaos);

var placing = new Command("orders", "POST /orders with and without micro-batched commits, beside the same SQL by Npgsql alone") { results };
placing.SetAction((parsed, cancellation) => OrdersBench.RunAsync(parsed.GetValue(results)!, cancellation));
root.Add(placing);

var projection = new Argument<string>("projection") { Description = "order-view, rankings or sales-facts" };
var reason = new Option<string>("--reason") { Description = "Why, for the list of rebuilds", DefaultValueFactory = _ => "asked for on the command line" };
var onlyCompare = new Option<bool>("--only-compare") { Description = "Build and compare; the live store stays" };
var fromOffset = new Option<long?>("--from-offset") { Description = "No rebuild: feed the live projection again from this offset of every partition on" };
var fromTime = new Option<string?>("--from-time") { Description = "No rebuild: feed it again from this time on (ISO 8601)" };
var rebuild = new Command("rebuild", "Rebuilds a projection beside the live one, compares both and swaps them, without an interruption") { projection, reason, onlyCompare, fromOffset, fromTime, api, apiKey };
rebuild.SetAction((parsed, cancellation) => RebuildCommand.RunAsync(
    RunningHost.Find(parsed.GetValue(api), parsed.GetValue(apiKey)), parsed.GetValue(projection)!, parsed.GetValue(reason)!, parsed.GetValue(onlyCompare),
    parsed.GetValue(fromOffset), parsed.GetValue(fromTime), cancellation));
root.Add(rebuild);

var events = new Option<int>("--events") { Description = "Events that are put into Kafka first; 0 takes those that are there", DefaultValueFactory = _ => 1_000_000 };
var rebuildSpeed = new Command("rebuild-speed", "How fast each projection is rebuilt from Kafka, on an idle running standalone host") { events, results };
rebuildSpeed.SetAction(async (parsed, cancellation) =>
{
    Environment.SetEnvironmentVariable("ORDERPLATFORM_LIBRDKAFKA", await Librdkafka.GetAsync(EngineCache.User, cancellation));
    return await RebuildBench.RunAsync(RunningHost.Find(null, null), parsed.GetValue(events), parsed.GetValue(results)!, cancellation);
});
root.Add(rebuildSpeed);

var backlog = new Option<int>("--events") { Description = "Events of the backlog", DefaultValueFactory = _ => 1_000_000 };
var relayDrain = new Command("relay-drain", "How fast a backlog leaves the event log, in each mode of the relay, beside reading alone and producing alone") { backlog, results };
relayDrain.SetAction(async (parsed, cancellation) =>
{
    Environment.SetEnvironmentVariable("ORDERPLATFORM_LIBRDKAFKA", await Librdkafka.GetAsync(EngineCache.User, cancellation));
    return await RelayDrainBench.RunAsync(parsed.GetValue(backlog), parsed.GetValue(results)!, cancellation);
});
root.Add(relayDrain);

var heldMinutes = new Option<double>("--minutes") { Description = "How long the transaction is held", DefaultValueFactory = _ => 10 };
var heldSnapshot = new Command("held-snapshot", "What a transaction that is held open costs the relay, in each mode: one that reads, one that has written") { heldMinutes, results };
heldSnapshot.SetAction(async (parsed, cancellation) =>
{
    Environment.SetEnvironmentVariable("ORDERPLATFORM_LIBRDKAFKA", await Librdkafka.GetAsync(EngineCache.User, cancellation));
    return await HeldSnapshotBench.RunAsync(TimeSpan.FromMinutes(parsed.GetValue(heldMinutes)), parsed.GetValue(results)!, cancellation);
});
root.Add(heldSnapshot);

var fresh = new Argument<string>("fresh") { Description = "Folder that benchmarks have written to with --results" };
var bound = new Option<double>("--bound") { Description = "By how much a ratio or a p99 may be worse, as a part of the committed one", DefaultValueFactory = _ => 0.15 };
var compare = new Command("compare", "Compares fresh results with the committed ones and fails when one is worse") { fresh, bound, results };
compare.SetAction(parsed => ResultComparison.Run(parsed.GetValue(results)!, parsed.GetValue(fresh)!, parsed.GetValue(bound)));
root.Add(compare);

try
{
    return await root.Parse(args).InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("Called off.");
    return 130;
}
catch (Exception e) when (e is BenchException or EngineException or HttpRequestException)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}

static IReadOnlyList<int> Numbers(string text) =>
    [.. text.Split(',').Select(part => int.TryParse(part, out var number) && number > 0 ? number : throw new BenchException($"'{text}' is no list of whole numbers such as 100,500."))];
