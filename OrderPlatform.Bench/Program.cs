using System.CommandLine;
using OrderPlatform.Bench;
using OrderPlatform.Bench.Engines;
using OrderPlatform.Bench.Import;
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

try
{
    return await root.Parse(args).InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (Exception e) when (e is BenchException or EngineException or HttpRequestException)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
