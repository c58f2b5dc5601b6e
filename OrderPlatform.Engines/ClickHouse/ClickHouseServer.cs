using System.Buffers;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace OrderPlatform.Engines.ClickHouse;

/// <summary>ClickHouse's HTTP interface over the engine in this process: https://clickhouse.com/docs/interfaces/http.</summary>
/// <remarks>
/// <para>Refused with NOT_IMPLEMENTED: sessions, roles, ClickHouse's own block compression (compress, decompress), data for input(),
/// and the clauses that the command line client carries out (INTO OUTFILE, FROM INFILE).</para>
/// <para>Different from the server: the one user is default with an empty password; query_id is seen as log_comment in
/// system.processes, because the engine makes up its own; a client that sets log_comment itself has its query run on after it
/// went; results in formats with a head or a foot (JSON, CSVWithNames, Parquet) are held in memory, others flow; total_rows_to_read
/// and memory_usage are 0.</para>
/// </remarks>
public static class ClickHouseServer
{
    private static readonly TimeSpan StopBound = TimeSpan.FromSeconds(1);

    /// <summary>Serves until it is cancelled, or SIGTERM or Ctrl-C comes.</summary>
    /// <exception cref="EngineException">The data folder or the port is taken; the message names the mend.</exception>
    public static async Task RunAsync(ClickHouseOptions options, CancellationToken cancellation)
    {
        Directory.CreateDirectory(options.DataFolder);
        // each query blocks a thread while the engine works
        ThreadPool.SetMinThreads(options.MaxQueries + options.MaxUploads, Environment.ProcessorCount);
        using var database = ClickHouseDatabase.Open(options);
        await using var server = Build(options);
        Map(server, new QueryHandler(database, options));
        try
        {
            await server.StartAsync(cancellation);
        }
        catch (IOException e)
        {
            throw new EngineException($"ClickHouse cannot listen on 127.0.0.1:{options.Port}: give another --port.", e);
        }
        await server.WaitForShutdownAsync(cancellation);
    }

    private static WebApplication Build(ClickHouseOptions options)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<IMemoryPoolFactory<byte>, LargeBlocks>();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = StopBound);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Listen(IPAddress.Loopback, options.Port);
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.MaxRequestLineSize = (1 << 20) + (1 << 10); // http_max_uri_size
            kestrel.Limits.MaxRequestBufferSize = 1 << 21; // holds that line
            kestrel.Limits.MaxResponseBufferSize = 1 << 22; // the engine works on while a piece is sent
            kestrel.Limits.MinRequestBodyDataRate = null; // ReceiveTimeout instead
            kestrel.Limits.MinResponseDataRate = new MinDataRate(bytesPerSecond: 1, gracePeriod: options.ReceiveTimeout);
        });
        return builder.Build();
    }

    private static void Map(WebApplication server, QueryHandler queries)
    {
        server.Run(http => http.Request.Path.Value switch
        {
            "/ping" or "/replicas_status" => http.Response.WriteAsync("Ok.\n", http.RequestAborted),
            "/" when HttpMethods.IsGet(http.Request.Method) && !http.Request.QueryString.HasValue => http.Response.WriteAsync("Ok.\n", http.RequestAborted),
            "/" when HttpMethods.IsGet(http.Request.Method) || HttpMethods.IsHead(http.Request.Method) || HttpMethods.IsPost(http.Request.Method) => queries.HandleAsync(http),
            "/" => NotServedAsync(http, StatusCodes.Status501NotImplemented, $"The method {http.Request.Method} is not served.\n"),
            var path => NotServedAsync(http, StatusCodes.Status404NotFound, $"There is no handle {path}\n\nUse / or /ping for health checks.\nOr /replicas_status for more sophisticated health checks.\nSend queries from your program with POST method or GET /?query=...\n"),
        });
    }

    private static Task NotServedAsync(HttpContext http, int status, string text)
    {
        http.Response.StatusCode = status;
        return http.Response.WriteAsync(text, http.RequestAborted);
    }
}
