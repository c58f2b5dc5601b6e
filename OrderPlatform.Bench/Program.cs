using OrderPlatform.Bench;
using OrderPlatform.Bench.Engines;
using OrderPlatform.Bench.Import;

return args switch
{
    ["clickhouse-http", ..] => await ClickHouseBench.RunAsync(args.ElementAtOrDefault(1) ?? "docs/results"),
    ["import", var file, .. var rest] => await ImportCommand.RunAsync(file, RunningHost.Find(null, null), CancellationToken.None),
    _ => 0,
};
