using OrderPlatform.AppHost.Standalone;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Getting;
using OrderPlatform.Engines.Processes;

if (args.Contains("--help") || args.Contains("-h"))
{
    Console.WriteLine(StandaloneOptions.Usage);
    return 0;
}

// launchSettings.json gives the Aspire dashboard's address here; the services would take it for theirs
Environment.SetEnvironmentVariable("ASPNETCORE_URLS", null);

var console = HostConsole.ForTerminal();
using var stop = new StopSignal();
try
{
    var options = StandaloneOptions.Parse(args);
    using var data = DataFolder.Claim(options.DataFolder);
    var librdkafka = await FirstStart.GetAllAsync(StandalonePlatform.EngineKinds, stop.Token);
    await using var platform = new StandalonePlatform(options, data, console);
    await platform.StartAsync(librdkafka, stop.Token);
    await Task.Delay(Timeout.Infinite, stop.Token);
}
catch (OperationCanceledException) when (stop.Token.IsCancellationRequested)
{
    console.Say("Stopped.");
}
catch (FormatException e)
{
    console.Warn(e.Message);
    return 2;
}
catch (EngineException e)
{
    console.Warn(e.Message);
    return 1;
}
return 0;
