using OrderPlatform.Bench.Engines;

return args switch
{
    ["kafka-broker", .. var rest] => await KafkaBench.RunAsync(Path.Combine("docs", "results"), rest is [var records] ? int.Parse(records) : 5_000_000),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("Say which benchmark to run: kafka-broker [records of the part alone].");
    return 2;
}
