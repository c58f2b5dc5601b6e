using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OrderPlatform.Engines.Kafka.Server;

namespace OrderPlatform.Engines.Kafka;

/// <summary>
/// A broker of the Kafka protocol on one node: durable (what is acknowledged is handed to the operating system, so it
/// survives kill -9, not the loss of power), for development and tests. Production uses Apache Kafka.
/// </summary>
public static class KafkaServer
{
    /// <summary>Serves on 127.0.0.1 until cancelled or told to end by SIGTERM or Ctrl-C. The first line on the standard output is the address, host:port.</summary>
    /// <exception cref="EngineException">The data folder or the port cannot be used; the message names the mend.</exception>
    public static async Task RunAsync(KafkaOptions options, CancellationToken cancellation)
    {
        using var logging = LoggerFactory.Create(l => l.AddSimpleConsole(c => (c.SingleLine, c.TimestampFormat) = (true, "HH:mm:ss.fff ")).Services
            .Configure<Microsoft.Extensions.Logging.Console.ConsoleLoggerOptions>(c => c.LogToStandardErrorThreshold = LogLevel.Trace));
        var log = new KafkaLog(logging.CreateLogger("kafka"));
        using var broker = Broker.Open(options with { DataFolder = Path.GetFullPath(options.DataFolder) }, log);
        var drops = new DropLog(log, options.Clock);
        await using var app = Build(broker, drops, logging);
        try
        {
            await app.StartAsync(cancellation);
        }
        catch (IOException e)
        {
            throw new EngineException($"Port {options.Port} of 127.0.0.1 is in use: stop who uses it, or give another one with --port (0 takes a free one).", e);
        }
        var port = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single()).Port;
        broker.Port = options.AdvertisedPort > 0 ? options.AdvertisedPort : port;
        var address = $"127.0.0.1:{port}";
        Console.WriteLine(address);
        log.Listening(address, broker.Topics.All.Count(), broker.Groups.Groups().Count(), options.DataFolder);

        using var housekeeping = new PeriodicTimer(options.RetentionInterval, options.Clock);
        var kept = KeepHouseAsync(housekeeping, broker, drops);
        await app.WaitForShutdownAsync(cancellation);
        housekeeping.Dispose();
        await kept;
    }

    private static async Task KeepHouseAsync(PeriodicTimer timer, Broker broker, DropLog drops)
    {
        while (await timer.WaitForNextTickAsync())
        {
            broker.Topics.ApplyRetention();
            drops.Flush();
        }
    }

    private static WebApplication Build(Broker broker, DropLog drops, ILoggerFactory logging)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        // Kestrel speaks only of what goes wrong, the host of nothing
        builder.Services.AddSingleton<ILoggerFactory>(new QuietLogging(logging));
        builder.Services.AddSingleton(new KafkaConnection(broker, drops, new RequestBudget()));
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromSeconds(1));
        builder.Services.AddSingleton<IMemoryPoolFactory<byte>>(new BlockPool());
        builder.WebHost.UseKestrelCore();
        // requests are answered without waiting for anything but the page cache, so they need no thread of their own
        builder.WebHost.UseSockets(sockets =>
        {
            sockets.UnsafePreferInlineScheduling = true;
            // a block a connection, for half of the system calls of receiving
            sockets.WaitForDataBeforeAllocatingBuffer = false;
            // the file is read ahead of the socket by a few chunks
            sockets.MaxWriteBufferSize = 256 * 1024;
        });
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, broker.Options.Port, l => l.UseConnectionHandler<KafkaConnection>()));
        return builder.Build();
    }

    private sealed class QuietLogging(ILoggerFactory inner) : ILoggerFactory
    {
        public ILogger CreateLogger(string categoryName) => categoryName.StartsWith("Microsoft.AspNetCore.Server.Kestrel", StringComparison.Ordinal)
            ? inner.CreateLogger(categoryName)
            : Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance;

        public void AddProvider(ILoggerProvider provider) => inner.AddProvider(provider);

        public void Dispose()
        {
            // the factory belongs to the server
        }
    }
}
