using OrderPlatform.Bench.Engines;

return args switch
{
    ["clickhouse-http", ..] => await ClickHouseBench.RunAsync(args.ElementAtOrDefault(1) ?? "docs/results"),
    _ => 0,
};
