using System.Net;
using OrderPlatform.Engines;
using OrderPlatform.Engines.ClickHouse;

namespace OrderPlatform.Tests.Engines.ClickHouse;

[CollectionDefinition(nameof(ClickHouseCollection))]
public sealed class ClickHouseCollection : ICollectionFixture<ClickHouseFixture>;

/// <summary>One engine for all tests; each test has tables of its own.</summary>
public sealed class ClickHouseFixture : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("clickhouse-").FullName;
    private readonly ClickHouseEngine _engine = new();

    public RunningEngine Running { get; private set; } = null!;

    public ClickHouseHttp Http { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Running = await RunningEngine.StartAsync(_engine, _folder, 0, TestContext.Current.SendDiagnosticMessage, TestContext.Current.CancellationToken);
        Http = new ClickHouseHttp(Running.Port);
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await Running.DisposeAsync();
        _engine.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}

/// <summary>The HTTP interface as a test sees it.</summary>
public sealed class ClickHouseHttp(int port) : IDisposable
{
    private readonly HttpClient _client = new(new SocketsHttpHandler { MaxConnectionsPerServer = 100 }) { BaseAddress = new Uri($"http://127.0.0.1:{port}") };

    public Uri Address => _client.BaseAddress!;

    /// <summary>POST with the URL's parameters, whatever the answer.</summary>
    public Task<HttpResponseMessage> PostAsync(HttpContent content, params (string Name, string Value)[] parameters) =>
        SendAsync(new HttpRequestMessage(HttpMethod.Post, Url(parameters)) { Content = content });

    public Task<HttpResponseMessage> GetAsync(params (string Name, string Value)[] parameters) =>
        SendAsync(new HttpRequestMessage(HttpMethod.Get, Url(parameters)));

    public Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, HttpCompletionOption until = HttpCompletionOption.ResponseContentRead) =>
        _client.SendAsync(request, until, TestContext.Current.CancellationToken);

    /// <summary>Runs a statement that must succeed, and gives its result.</summary>
    public async Task<string> QueryAsync(string sql, params (string Name, string Value)[] parameters)
    {
        using var response = await PostAsync(new StringContent(sql), parameters);
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        response.StatusCode.ShouldBe(HttpStatusCode.OK, text);
        return text.TrimEnd('\n');
    }

    /// <summary>Inserts a body that must be taken.</summary>
    public async Task InsertAsync(string sql, byte[] body, params (string Name, string Value)[] parameters)
    {
        using var response = await PostAsync(new ByteArrayContent(body), [("query", sql), .. parameters]);
        response.StatusCode.ShouldBe(HttpStatusCode.OK, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    public static string Url(params (string Name, string Value)[] parameters) =>
        "/?" + string.Join('&', parameters.Select(p => $"{p.Name}={Uri.EscapeDataString(p.Value)}"));

    public void Dispose() => _client.Dispose();
}
