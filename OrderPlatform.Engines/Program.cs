using OrderPlatform.Engines;
using OrderPlatform.Engines.ClickHouse;

try
{
    var options = new ClickHouseOptions(ClickHouseEngine.LibraryPath!, args[4], int.Parse(args[2]));
    await ClickHouseServer.RunAsync(options, CancellationToken.None);
    return 0;
}
catch (EngineException e)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
