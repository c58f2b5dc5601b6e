using System.Diagnostics;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;
using OrderPlatform.Setup;

// The set-up step: runs to its end before any service starts, changes nothing that is there already, and can be run again at any time.
var builder = Host.CreateApplicationBuilder(args);
builder.AddServiceDefaults();
builder.AddClickHouse();
using var host = builder.Build();

var started = Stopwatch.GetTimestamp();
var stopping = host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
var log = host.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Setup");
var configuration = host.Services.GetRequiredService<IConfiguration>();

var migrations = 0;
foreach (var database in (string[])[Connections.Orders, Connections.Views])
{
    var connectionString = configuration.Required(database);
    await PostgresDatabases.EnsureAsync(connectionString, stopping);
    migrations += await PostgresMigrations.ApplyAsync(connectionString, database, stopping);
}
migrations += await ClickHouseMigrations.ApplyAsync(host.Services.GetRequiredService<ClickHouseClient>(), stopping);
var topics = await KafkaTopics.EnsureAsync(configuration.Required(Connections.Kafka), configuration.GetValue("Kafka:ReplicationFactor", (short)1));

log.LogInformation("Set up in {ElapsedMs:0} ms: {Migrations} migrations applied, {Topics} topics created", Stopwatch.GetElapsedTime(started).TotalMilliseconds, migrations, topics);
