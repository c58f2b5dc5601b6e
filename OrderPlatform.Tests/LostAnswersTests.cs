using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Faults;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Tests;

/// <summary>PostgreSQL's client on a network that loses answers, also those to its greeting.</summary>
public sealed class LostAnswersTests(EngineFixture engines)
{
    private const int Tries = 300;
    private const int Clients = 8;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_fails_is_a_failure_of_the_network_and_leaves_no_broken_connection_in_the_pool()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        var (port, control) = (LoopbackPort.Free(), LoopbackPort.Free());
        await using var network = await FaultyNetwork.StartAsync([("postgres", port, (await engines.PostgresAsync()).Port)], control, Cancellation);
        using var host = HostOn(new NpgsqlConnectionStringBuilder(database.ConnectionString) { Port = port }.ConnectionString);
        var source = host.Services.GetRequiredKeyedService<NpgsqlDataSource>(Connections.Orders);
        using var http = new HttpClient(new SocketsHttpHandler()) { BaseAddress = new Uri($"http://127.0.0.1:{control}") };

        await LoseAsync(http, 0.05);
        var failures = 0;
        await Parallel.ForEachAsync(Enumerable.Range(0, Tries), new ParallelOptions { MaxDegreeOfParallelism = Clients, CancellationToken = Cancellation }, async (_, stop) =>
        {
            try
            {
                await AskAsync(source);
            }
            catch (NpgsqlException)
            {
                Interlocked.Increment(ref failures); // anything else fails the test
            }
        });
        failures.ShouldBeGreaterThan(0);

        await LoseAsync(http, 0);
        await AskAsync(source);
    }

    private static IHost HostOn(string connectionString)
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { Args = [$"ConnectionStrings:{Connections.Orders}={connectionString}"] });
        builder.Logging.ClearProviders();
        builder.AddPostgres(Connections.Orders);
        return builder.Build();
    }

    private static async Task AskAsync(NpgsqlDataSource source)
    {
        await using var connection = await source.OpenConnectionAsync(Cancellation);
        await using var transaction = await connection.BeginTransactionAsync(Cancellation);
        await using var command = new NpgsqlCommand("SELECT 42", connection);
        (await command.ExecuteScalarAsync(Cancellation)).ShouldBe(42);
        await transaction.CommitAsync(Cancellation);
    }

    private static async Task LoseAsync(HttpClient control, double part)
    {
        using var content = new StringContent($$"""{"lostAnswers":{{part.ToString(System.Globalization.CultureInfo.InvariantCulture)}}}""");
        using var response = await control.PutAsync("/postgres", content, Cancellation);
        response.EnsureSuccessStatusCode();
    }
}
