using System.Net.Http.Headers;
using System.Text;

namespace OrderPlatform.ServiceDefaults.Clients;

/// <summary>
/// ClickHouse by its documented HTTP interface (https://clickhouse.com/docs/interfaces/http): no client library is needed.
/// </summary>
public sealed class ClickHouseClient(HttpClient http, ClickHouseConnection connection)
{
    /// <summary>Where it connects to.</summary>
    public ClickHouseConnection Connection => connection;

    /// <summary>The same server, another database.</summary>
    public ClickHouseClient In(string database) => new(http, connection with { Database = database });

    /// <summary>Runs one statement and gives its answer as text.</summary>
    /// <param name="sql">One statement. Values go into <paramref name="parameters"/> as <c>{name:Type}</c>, never into the text.</param>
    /// <exception cref="ClickHouseException">The server refused or failed it.</exception>
    public Task<string> QueryAsync(string sql, IReadOnlyDictionary<string, string>? parameters, CancellationToken cancellation) =>
        QueryAsync(sql, parameters, settings: new Dictionary<string, string>(), cancellation);

    /// <inheritdoc cref="QueryAsync(string, IReadOnlyDictionary{string, string}?, CancellationToken)"/>
    /// <param name="settings">ClickHouse settings of this statement alone.</param>
    public async Task<string> QueryAsync(string sql, IReadOnlyDictionary<string, string>? parameters, IReadOnlyDictionary<string, string> settings, CancellationToken cancellation)
    {
        using var request = Request(connection.Database, ParametersOf(parameters).Concat(settings));
        request.Content = new StringContent(sql, Encoding.UTF8);
        return await SendAsync(request, cancellation);
    }

    /// <summary>Runs an INSERT whose data are the body.</summary>
    /// <param name="insert"><c>INSERT INTO table FORMAT JSONEachRow</c>, without data.</param>
    /// <param name="data">Rows in that format.</param>
    /// <param name="settings">ClickHouse settings of this statement alone.</param>
    /// <exception cref="ClickHouseException">The server refused or failed it.</exception>
    public async Task InsertAsync(string insert, ReadOnlyMemory<byte> data, IReadOnlyDictionary<string, string> settings, CancellationToken cancellation)
    {
        using var request = Request(connection.Database, settings.Append(KeyValuePair.Create("query", insert)));
        request.Content = new ReadOnlyMemoryContent(data);
        await SendAsync(request, cancellation);
    }

    /// <summary>Creates the connection's own database when it is missing.</summary>
    /// <exception cref="ClickHouseException">The server refused or failed it.</exception>
    public async Task CreateDatabaseAsync(CancellationToken cancellation)
    {
        using var request = Request("default", ParametersOf(new Dictionary<string, string> { ["name"] = connection.Database }));
        request.Content = new StringContent("CREATE DATABASE IF NOT EXISTS {name:Identifier}", Encoding.UTF8);
        await SendAsync(request, cancellation);
    }

    private static IEnumerable<KeyValuePair<string, string>> ParametersOf(IReadOnlyDictionary<string, string>? parameters) =>
        parameters?.Select(parameter => KeyValuePair.Create("param_" + parameter.Key, parameter.Value)) ?? [];

    private HttpRequestMessage Request(string database, IEnumerable<KeyValuePair<string, string>> options)
    {
        var url = new StringBuilder("?database=").Append(Uri.EscapeDataString(database));
        foreach (var (name, value) in options)
        {
            url.Append('&').Append(Uri.EscapeDataString(name)).Append('=').Append(Uri.EscapeDataString(value));
        }
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(connection.Endpoint, url.ToString()));
        if (connection.Password.Length > 0)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue(
                "Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{connection.Username}:{connection.Password}")));
        }
        return request;
    }

    private async Task<string> SendAsync(HttpRequestMessage request, CancellationToken cancellation)
    {
        using var response = await http.SendAsync(request, cancellation);
        var text = await response.Content.ReadAsStringAsync(cancellation);
        var code = response.Headers.TryGetValues("X-ClickHouse-Exception-Code", out var codes) ? codes.First() : null;
        return response.IsSuccessStatusCode && code is null
            ? text
            : throw new ClickHouseException(int.TryParse(code, out var number) ? number : 0, text.Trim());
    }
}

/// <summary>An error of ClickHouse's own.</summary>
/// <param name="code">ClickHouse's error code, as in system.errors; 0 when the answer had none.</param>
/// <param name="message">ClickHouse's text.</param>
public sealed class ClickHouseException(int code, string message) : Exception(message)
{
    /// <summary>ClickHouse's error code, as in system.errors; 0 when the answer had none.</summary>
    public int Code => code;
}
