using System.Text.Encodings.Web;
using System.Text.Json;

namespace OrderPlatform.AppHost.Standalone;

/// <summary>
/// <c>run.json</c>: where a running platform is found, by the Bench, by tests and by scripts. It is there only while everything
/// is up, and only its user can read it, since it holds the development secrets.
/// </summary>
internal sealed record RunFile
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>URL of the Api.</summary>
    public required string Api { get; init; }

    /// <summary>URL of the Relay.</summary>
    public required string Relay { get; init; }

    /// <summary>URL of the Projections.</summary>
    public required string Projections { get; init; }

    /// <summary>URL of ClickHouse's HTTP interface.</summary>
    public required string Clickhouse { get; init; }

    /// <summary>Kafka's bootstrap server, host:port.</summary>
    public required string Kafka { get; init; }

    /// <summary>Redis, host:port.</summary>
    public required string Redis { get; init; }

    /// <summary>Npgsql connection string of the orders database.</summary>
    public required string Postgres { get; init; }

    /// <summary>URL that commands the faulty network between services and engines; null when there is none.</summary>
    public string? Faults { get; init; }

    /// <summary>A development key with every scope.</summary>
    public required string ApiKey { get; init; }

    /// <summary>The pid of every process, by name; kept true when one is restarted.</summary>
    public required IReadOnlyDictionary<string, int> Processes { get; init; }

    /// <summary>Writes the file, whole or not at all.</summary>
    public void Write(string path) => DataFolder.WritePrivately(path, JsonSerializer.Serialize(this, Json));
}
