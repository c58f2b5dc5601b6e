using System.Collections.Concurrent;
using Confluent.Kafka;
using Confluent.Kafka.Admin;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Kafka;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Tests.Engines.Kafka;

/// <summary>A broker in a process of its own, for the tests of one class, on a throw-away folder.</summary>
public sealed class KafkaFixture(EngineFixture engines) : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private readonly ConcurrentQueue<string> _lines = new();
    private RunningEngine? _broker;

    /// <summary>host:port.</summary>
    public string Address => Broker.Address;

    public int Port => Broker.Port;

    /// <summary>All that the broker has said so far.</summary>
    public string Log => string.Join('\n', _lines);

    /// <summary>Waits until the broker has said it: its log comes a little after its deeds.</summary>
    public async Task LogsAsync(string text)
    {
        var since = TimeProvider.System.GetTimestamp();
        while (!Log.Contains(text, StringComparison.Ordinal))
        {
            TimeProvider.System.GetElapsedTime(since).ShouldBeLessThan(TimeSpan.FromSeconds(10), $"'{text}' is not in the log:\n{Log}");
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>The broker's resident memory in bytes.</summary>
    public long ResidentBytes
    {
        get
        {
            using var process = System.Diagnostics.Process.GetProcessById(Broker.Process.Id);
            return process.WorkingSet64;
        }
    }

    internal string Folder => _folder.Path;

    private RunningEngine Broker => _broker ?? throw new InvalidOperationException("The broker has not been started.");

    public async ValueTask InitializeAsync()
    {
        await engines.KafkaClientAsync(TestContext.Current.CancellationToken);
        await StartAsync(port: 0);
    }

    /// <summary>kill -9 and a start on the same port and folder.</summary>
    public async Task KillAndRestartAsync()
    {
        var port = Port;
        await Broker.Process.KillAsync();
        await Broker.DisposeAsync();
        await StartAsync(port);
    }

    public async ValueTask DisposeAsync()
    {
        if (_broker is not null)
        {
            await _broker.DisposeAsync();
        }
        _folder.Dispose();
    }

    internal IAdminClient Admin() => new AdminClientBuilder(new AdminClientConfig { BootstrapServers = Address }).Build();

    /// <summary>A topic of this test's own.</summary>
    internal async Task<string> NewTopicAsync(int partitions = 1, Dictionary<string, string>? configs = null)
    {
        var topic = $"topic-{Guid.NewGuid():n}";
        using var admin = Admin();
        await admin.CreateTopicsAsync([new TopicSpecification { Name = topic, NumPartitions = partitions, ReplicationFactor = 1, Configs = configs }]);
        return topic;
    }

    private async Task StartAsync(int port) =>
        _broker = await RunningEngine.StartAsync(new KafkaEngine(), Folder, port, _lines.Enqueue, TestContext.Current.CancellationToken);
}
