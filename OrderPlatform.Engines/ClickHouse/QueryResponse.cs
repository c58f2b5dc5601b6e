using System.Buffers;
using System.Diagnostics;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace OrderPlatform.Engines.ClickHouse;

/// <summary>
/// The answer to a query. Its first MiB (the whole with wait_end_of_query) is held back, so that an error up to there has its own
/// status and X-ClickHouse-Summary its final numbers, as in the server.
/// </summary>
internal sealed class QueryResponse(HttpContext http, QueryRequest request, ClickHouseDatabase database) : IAsyncDisposable
{
    private const int HeldBytes = 1 << 20;
    private const int CopyBytes = 1 << 17;

    private readonly string _exceptionTag = RandomNumberGenerator.GetString("abcdefghijklmnopqrstuvwxyz", 16);
    private readonly long _since = Stopwatch.GetTimestamp();
    private readonly FileBufferingWriteStream _held = new(4 * HeldBytes, bufferLimit: null, () => database.SpoolFolder);
    private QueryStatistics _statistics;
    private Stream? _body;

    /// <summary>The format of the result: the query's own, else the request's.</summary>
    public string Format { get; set; } = request.Format;

    /// <summary>Adds a piece of the result, or only its numbers when it is empty.</summary>
    public async Task WriteAsync(ChdbResult piece, CancellationToken cancellation)
    {
        _statistics += piece.Statistics;
        if (piece.IsEmpty)
        {
            return;
        }
        if (_body == http.Response.Body)
        {
            http.Response.BodyWriter.Write(piece.Bytes);
            await http.Response.BodyWriter.FlushAsync(cancellation);
            return;
        }
        await using var bytes = piece.OpenRead();
        await bytes.CopyToAsync(_body ?? _held, CopyBytes, cancellation);
        if (_body == null && _held.Length > HeldBytes && !request.WaitsForEnd)
        {
            await BeginAsync(cancellation);
        }
    }

    /// <summary>Ends a result that is whole.</summary>
    public async Task CompleteAsync(CancellationToken cancellation)
    {
        if (_body == null)
        {
            await BeginAsync(cancellation);
        }
        await _body!.DisposeAsync();
    }

    /// <summary>
    /// Answers with the error; when the result has begun, at its end between marks that its data cannot hold, and by
    /// leaving the response without its own end.
    /// </summary>
    public async Task FailAsync(ClickHouseError error, CancellationToken cancellation)
    {
        var text = error.Message.TrimEnd();
        text = text.Contains("(version ", StringComparison.Ordinal) ? text : $"{text} (version {database.Version} (official build))";
        if (_body == null)
        {
            AddHeaders();
            http.Response.StatusCode = error.HttpStatus;
            http.Response.ContentType = "text/plain; charset=UTF-8";
            http.Response.Headers["X-ClickHouse-Exception-Code"] = $"{error.Code}";
            await http.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(text + "\n"), cancellation);
            return;
        }
        var length = Encoding.UTF8.GetByteCount(text) + 1;
        await _body.WriteAsync(Encoding.UTF8.GetBytes($"\r\n__exception__\r\n{_exceptionTag}\r\n{text}\n{length} {_exceptionTag}\r\n__exception__\r\n"), cancellation);
        await _body.DisposeAsync();
        await http.Response.Body.FlushAsync(cancellation);
        throw new BrokenResultException();
    }

    /// <inheritdoc />
    public ValueTask DisposeAsync() => _held.DisposeAsync();

    private async Task BeginAsync(CancellationToken cancellation)
    {
        AddHeaders();
        http.Response.ContentType = database.ContentTypes.GetValueOrDefault(Format, "text/plain; charset=UTF-8");
        http.Response.Headers["X-ClickHouse-Format"] = Format;
        _body = http.Response.Body;
        if (request.MayCompress && http.Request.Headers.AcceptEncoding.ToString().Contains("gzip", StringComparison.OrdinalIgnoreCase))
        {
            http.Response.Headers.ContentEncoding = "gzip";
            _body = new GZipStream(http.Response.Body, CompressionLevel.Fastest, leaveOpen: true);
        }
        await _held.DrainBufferAsync(_body, cancellation);
    }

    private void AddHeaders()
    {
        var headers = http.Response.Headers;
        headers["X-ClickHouse-Query-Id"] = request.QueryId;
        headers["X-ClickHouse-Timezone"] = database.TimeZone;
        headers["X-ClickHouse-Server-Display-Name"] = Environment.MachineName;
        headers["X-ClickHouse-Exception-Tag"] = _exceptionTag;
        headers["X-ClickHouse-Summary"] = _statistics.ToSummary(Stopwatch.GetElapsedTime(_since));
    }
}

/// <summary>Makes Kestrel close the connection without the end of the response, so that a client knows it is not whole.</summary>
internal sealed class BrokenResultException : Exception;
