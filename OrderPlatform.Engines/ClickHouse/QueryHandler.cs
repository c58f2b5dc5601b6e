using System.Buffers;
using System.IO.Compression;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace OrderPlatform.Engines.ClickHouse;

/// <summary>Runs the query of a request: <c>GET /</c> and <c>POST /</c>.</summary>
internal sealed class QueryHandler(ClickHouseDatabase database, ClickHouseOptions options)
{
    private const int UploadBytes = 1 << 18;

    // the setting that gives a head and a foot to a format that has none, so that its pieces cannot be joined
    private const string ArrayOfRows = "output_format_json_array_of_rows";

    /// <summary>Answers one request, whatever comes.</summary>
    public async Task HandleAsync(HttpContext http)
    {
        QueryRequest request;
        try
        {
            request = QueryRequest.Read(http.Request);
        }
        catch (ClickHouseError error)
        {
            http.Response.StatusCode = error.HttpStatus;
            http.Response.Headers["X-ClickHouse-Exception-Code"] = $"{error.Code}";
            await http.Response.WriteAsync(error.Message + "\n", http.RequestAborted);
            return;
        }
        await using var response = new QueryResponse(http, request, database);
        try
        {
            await RunAsync(http, request, response, http.RequestAborted);
            await response.CompleteAsync(http.RequestAborted);
        }
        catch (ClickHouseError error)
        {
            await response.FailAsync(error, http.RequestAborted);
        }
    }

    private async Task RunAsync(HttpContext http, QueryRequest request, QueryResponse response, CancellationToken cancellation)
    {
        await using var body = new RequestBody(Decompressed(http.Request), options.ReceiveTimeout);
        var head = request.UrlQuery.Length > 0 ? [.. request.UrlQuery, (byte)'\n'] : request.UrlQuery;
        if (head.Length == 0 || !TryParseInsert(head, out var statement))
        {
            head = [.. head, .. await body.ReadAtMostAsync(request.MaxStatementBytes + 1, cancellation)];
            statement = SqlStatement.Parse(head);
        }
        if (statement.End > request.MaxStatementBytes || (statement.InputFormat == null && !body.IsAtEnd))
        {
            throw ClickHouseError.Syntax($"Max query size exceeded (can be increased with the `max_query_size` setting): {request.MaxStatementBytes} bytes.");
        }
        response.Format = statement.OutputFormat is { } named && database.ContentTypes.ContainsKey(named) ? named : request.Format;
        if (statement.InputFormat is { } format)
        {
            await InsertAsync(request, head, statement, format, body, response, cancellation);
        }
        else
        {
            await SelectAsync(request, head, response, cancellation);
        }
    }

    private async Task SelectAsync(QueryRequest request, byte[] sql, QueryResponse response, CancellationToken cancellation)
    {
        using var session = await database.OpenSessionAsync(request, upload: false, cancellation);
        await using var onAbort = cancellation.UnsafeRegister(static session => ((ClickHouseDatabase.Session)session!).CancelSoon(), session);
        request.Apply(session.Connection);
        var hasArrayOfRows = request.Sets(ArrayOfRows) || sql.AsSpan().IndexOf(Encoding.ASCII.GetBytes(ArrayOfRows)) >= 0;
        using var pieces = (hasArrayOfRows ? [session.Connection.Query(sql, response.Format, request.Parameters)] : session.Connection.Stream(sql, response.Format, request.Parameters)).GetEnumerator();
        var next = NextAsync(pieces);
        try
        {
            while (await next is { } piece)
            {
                next = NextAsync(pieces); // the engine makes it while this one is sent
                using (piece)
                {
                    await response.WriteAsync(piece, cancellation);
                }
            }
        }
        finally
        {
            await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            (next.IsCompletedSuccessfully ? await next : null)?.Dispose();
        }
    }

    private static Task<ChdbResult?> NextAsync(IEnumerator<ChdbResult> pieces) => Task.Run(() => pieces.MoveNext() ? pieces.Current : null);

    private async Task InsertAsync(QueryRequest request, byte[] head, SqlStatement statement, string format, RequestBody body, QueryResponse response, CancellationToken cancellation)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(UploadBytes);
        var nextBuffer = ArrayPool<byte>.Shared.Rent(UploadBytes);
        try
        {
            // what is small is read before its turn begins: a slow sender then keeps nobody waiting
            var length = await body.FillAsync(buffer, cancellation);
            if (format == "Values" && body.IsAtEnd)
            {
                SqlStatement.RefuseStatementAfterValues([.. head.AsSpan(statement.DataStart), .. buffer.AsSpan(0, length)]);
            }
            using var session = await database.OpenSessionAsync(request, upload: true, cancellation);
            request.Apply(session.Connection);
            // a line break ends a comment that would swallow the FORMAT which the engine adds
            using var insert = session.Connection.Insert([.. head.AsSpan(0, statement.End), (byte)'\n'], format, request.Parameters);
            var taken = insert.TryAppend(head.AsSpan(statement.DataStart));
            while (taken && length > 0)
            {
                var next = body.FillAsync(nextBuffer, cancellation); // arrives while the engine takes this one
                taken = insert.TryAppend(buffer.AsSpan(0, length));
                length = await next;
                (buffer, nextBuffer) = (nextBuffer, buffer);
            }
            using var result = insert.Complete();
            await response.WriteAsync(result, cancellation);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            ArrayPool<byte>.Shared.Return(nextBuffer);
        }
    }

    // the query of the URL is an INSERT that lacks nothing but its data
    private static bool TryParseInsert(byte[] head, out SqlStatement statement)
    {
        statement = SqlStatement.Parse(head);
        return statement.InputFormat?.Length > 0;
    }

    private static Stream Decompressed(HttpRequest http) => http.Headers.ContentEncoding.ToString().ToLowerInvariant() switch
    {
        "" or "identity" => http.Body,
        "gzip" or "x-gzip" => new GZipStream(http.Body, CompressionMode.Decompress),
        "deflate" => new ZLibStream(http.Body, CompressionMode.Decompress),
        "br" => new BrotliStream(http.Body, CompressionMode.Decompress),
        var other => throw ClickHouseError.NotImplemented($"Unknown compression method '{other}'. Only 'gzip', 'deflate' and 'br' are supported here"),
    };
}
