using Confluent.Kafka;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Npgsql;
using OrderPlatform.ServiceDefaults.Health;

namespace OrderPlatform.ServiceDefaults.Clients;

/// <summary>The clients that are made the same way in both modes, each with its health check.</summary>
public static class ClientExtensions
{
    private const int MaxPreparedStatements = 100;
    private const int DefaultReadBufferBytes = 8192; // Npgsql's own

    /// <summary>A pooled <see cref="NpgsqlDataSource"/>, keyed by the connection's name.</summary>
    /// <param name="transactionTimeout">The server ends a transaction that takes longer (PostgreSQL's transaction_timeout); null leaves that to the server.</param>
    /// <param name="readBufferBytes">Of each connection: who reads megabytes at once is woken up less often.</param>
    public static void AddPostgres(this IHostApplicationBuilder builder, string connectionName, TimeSpan? transactionTimeout = null, int readBufferBytes = DefaultReadBufferBytes)
    {
        var connectionString = new NpgsqlConnectionStringBuilder(builder.Configuration.Required(connectionName))
        {
            ApplicationName = builder.Environment.ApplicationName,
            // parsing and planning the same few statements over and over was a third of PostgreSQL's work
            MaxAutoPrepare = MaxPreparedStatements,
            AutoPrepareMinUsages = 2,
            // Encryption is TLS's. And where the answer to the offer of Kerberos' is lost, Npgsql tries again without it on a connection that
            // then fails for as long as it is pooled (https://github.com/npgsql/npgsql/issues/6415).
            GssEncryptionMode = GssEncryptionMode.Disable,
            ReadBufferSize = readBufferBytes,
            Options = transactionTimeout is { } timeout ? $"-c transaction_timeout={timeout.TotalMilliseconds:0}" : null,
        };
        builder.Services.AddKeyedSingleton(connectionName, (_, _) => NpgsqlDataSource.Create(connectionString));
        builder.Services.AddHealthChecks().Add(new HealthCheckRegistration(
            connectionName,
            services => new PostgresHealthCheck(services.GetRequiredKeyedService<NpgsqlDataSource>(connectionName)),
            HealthStatus.Unhealthy, tags: null, HealthBounds.Check));
    }

    /// <summary>A <see cref="ClickHouseClient"/> for the connection <c>clickhouse</c>.</summary>
    public static void AddClickHouse(this IHostApplicationBuilder builder)
    {
        var connection = ClickHouseConnection.Parse(builder.Configuration.Required(Connections.ClickHouse));
        builder.Services.AddSingleton(connection);
        builder.Services.AddHttpClient<ClickHouseClient>();
        builder.Services.AddHealthChecks().Add(new HealthCheckRegistration(
            Connections.ClickHouse,
            services => new ClickHouseHealthCheck(services.GetRequiredService<ClickHouseClient>()),
            HealthStatus.Unhealthy, tags: null, HealthBounds.Check));
    }

    /// <summary>Kafka's admin client for the connection <c>kafka</c>, one for the process: its health check asks it for the cluster.</summary>
    public static void AddKafka(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton(_ => KafkaClients.Admin(builder.Configuration.Required(Connections.Kafka)));
        builder.Services.AddHealthChecks().Add(new HealthCheckRegistration(
            Connections.Kafka,
            services => new KafkaHealthCheck(services.GetRequiredService<IAdminClient>()),
            HealthStatus.Unhealthy, tags: null, HealthBounds.Check));
    }
}
