using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace OrderPlatform.Engines.ClickHouse;

/// <summary>
/// What a request asks for beside its query and data: https://clickhouse.com/docs/interfaces/http.
/// A URL parameter without a meaning of its own is a setting.
/// </summary>
internal sealed class QueryRequest
{
    private const string DefaultFormat = "TabSeparated";

    // known to the server, without effect here
    private static readonly HashSet<string> Ignored =
        ["quota_key", "buffer_size", "stacktrace", "session_timeout", "session_check", "client_protocol_version", "close_session"];

    private readonly List<QueryParameter> _parameters = [];
    private readonly List<KeyValuePair<string, byte[]>> _settings = [];

    private QueryRequest(HttpRequest http)
    {
        IsReadOnly = HttpMethods.IsGet(http.Method) || HttpMethods.IsHead(http.Method);
        Database = http.Headers["X-ClickHouse-Database"].ToString();
        Format = http.Headers["X-ClickHouse-Format"].ToString() is { Length: > 0 } format ? format : DefaultFormat;
    }

    /// <summary>The query of the URL; what the body holds follows it on a new line.</summary>
    public byte[] UrlQuery { get; private set; } = [];

    public string QueryId { get; private set; } = Guid.NewGuid().ToString();

    /// <summary>The format of a result whose query names none.</summary>
    public string Format { get; private set; }

    public IReadOnlyList<QueryParameter> Parameters => _parameters;

    /// <summary>The whole result is held back until the query has ended, so that an error can still have its status.</summary>
    public bool WaitsForEnd { get; private set; }

    /// <summary>enable_http_compression: the client may have the result compressed.</summary>
    public bool MayCompress { get; private set; }

    /// <summary>max_query_size in bytes: how long a statement may be (not its data).</summary>
    public int MaxStatementBytes { get; private set; } = 262_144;

    /// <summary>True when the URL gives the setting a value.</summary>
    public bool Sets(string setting) => _settings.Exists(s => s.Key == setting);

    private bool IsReadOnly { get; }

    private string Database { get; set; }

    /// <summary>Reads the URL and the headers and checks the user.</summary>
    /// <exception cref="ClickHouseError">A wrong user, or what this engine does not serve.</exception>
    public static QueryRequest Read(HttpRequest http)
    {
        var request = new QueryRequest(http);
        var (user, password) = Credentials(http);
        foreach (var (name, value) in Decode(http.QueryString.Value ?? ""))
        {
            switch (name)
            {
                case "user": user = Encoding.UTF8.GetString(value); break;
                case "password": password = Encoding.UTF8.GetString(value); break;
                default: request.Take(name, value); break;
            }
        }
        return user == "default" && password.Length == 0
            ? request
            : throw new ClickHouseError($"Code: 516. DB::Exception: {user}: Authentication failed: password is incorrect, or there is no user with such name; the embedded engine has the user default with an empty password. (AUTHENTICATION_FAILED)");
    }

    /// <summary>Prepares the session: settings first, GET's readonly last, so that no setting of the client can undo it.</summary>
    /// <exception cref="ClickHouseError">The engine's own: unknown setting, bad value, unknown database.</exception>
    public void Apply(ChdbConnection session)
    {
        if (Database.Length > 0)
        {
            session.Query([.. "USE "u8, .. Quoted(Encoding.UTF8.GetBytes(Database), '`')], Format).Dispose();
        }
        var settings = IsReadOnly && !Sets("readonly") ? _settings.Append(new("readonly", "2"u8.ToArray())) : _settings;
        var sql = new List<byte>();
        foreach (var (name, value) in settings)
        {
            sql.AddRange(sql.Count == 0 ? "SET "u8 : ", "u8);
            sql.AddRange([.. Quoted(Encoding.UTF8.GetBytes(name), '`'), (byte)'=', .. Quoted(value, '\'')]);
        }
        if (sql.Count > 0)
        {
            session.Query([.. sql], Format).Dispose();
        }
    }

    private void Take(string name, byte[] value)
    {
        switch (name)
        {
            case "query": UrlQuery = value; break;
            case "database": Database = Encoding.UTF8.GetString(value); break;
            case "default_format": Format = Encoding.UTF8.GetString(value); break;
            case "query_id" when value.Length > 0: QueryId = Encoding.UTF8.GetString(value); break;
            case "wait_end_of_query": WaitsForEnd = IsTrue(value); break;
            case "compress" or "decompress" when IsTrue(value):
                throw ClickHouseError.NotImplemented($"{name}=1, ClickHouse's own block compression: use enable_http_compression=1 and Content-Encoding.");
            case "session_id" or "role" when value.Length > 0:
                throw ClickHouseError.NotImplemented($"{name}: the embedded engine opens a session for each request and has one user.");
            case "query_id" or "compress" or "decompress" or "session_id" or "role": break;
            case var _ when Ignored.Contains(name): break;
            case var _ when name.StartsWith("param_", StringComparison.Ordinal):
                _parameters.Add(new(QueryParameter.Pinned(Encoding.UTF8.GetBytes(name["param_".Length..])), QueryParameter.Pinned(value)));
                break;
            default: TakeSetting(name, value); break;
        }
    }

    private void TakeSetting(string name, byte[] value)
    {
        MayCompress |= name == "enable_http_compression" && IsTrue(value);
        if (name == "max_query_size" && int.TryParse(value, CultureInfo.InvariantCulture, out var bytes))
        {
            MaxStatementBytes = Math.Clamp(bytes, 1, 64 << 20);
        }
        _settings.Add(new(name, value));
    }

    private static bool IsTrue(byte[] value) => value.AsSpan().SequenceEqual("1"u8) || Ascii.EqualsIgnoreCase(value, "true"u8);

    private static (string User, string Password) Credentials(HttpRequest http)
    {
        if (http.Headers.TryGetValue("X-ClickHouse-User", out var user) || http.Headers.ContainsKey("X-ClickHouse-Key"))
        {
            return (user.ToString() is { Length: > 0 } name ? name : "default", http.Headers["X-ClickHouse-Key"].ToString());
        }
        if (AuthenticationHeaderValue.TryParse(http.Headers.Authorization, out var header) && header.Scheme.Equals("Basic", StringComparison.OrdinalIgnoreCase))
        {
            var bytes = new byte[header.Parameter?.Length ?? 0];
            var pair = Convert.TryFromBase64String(header.Parameter ?? "", bytes, out var length) ? Encoding.UTF8.GetString(bytes, 0, length).Split(':', 2) : [];
            return pair.Length == 2 ? (pair[0], pair[1]) : ("", "");
        }
        return ("default", "");
    }

    // by hand, because a value is bytes, not text: %FF must stay one byte
    private static IEnumerable<(string Name, byte[] Value)> Decode(string queryString)
    {
        foreach (var pair in queryString.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var at = pair.IndexOf('=');
            var (name, value) = at < 0 ? (pair, "") : (pair[..at], pair[(at + 1)..]);
            yield return (Encoding.UTF8.GetString(Unescape(name)), Unescape(value));
        }
    }

    private static byte[] Unescape(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var length = 0;
        for (var i = 0; i < bytes.Length; i++, length++)
        {
            var isEscape = bytes[i] == '%' && i + 2 < bytes.Length && char.IsAsciiHexDigit((char)bytes[i + 1]) && char.IsAsciiHexDigit((char)bytes[i + 2]);
            bytes[length] = isEscape ? Convert.FromHexString(bytes.AsSpan(i + 1, 2))[0] : bytes[i] == '+' ? (byte)' ' : bytes[i];
            i += isEscape ? 2 : 0;
        }
        return bytes[..length];
    }

    private static byte[] Quoted(byte[] value, char quote)
    {
        var quoted = new List<byte>(value.Length + 2) { (byte)quote };
        foreach (var c in value)
        {
            if (c == quote || c == '\\')
            {
                quoted.Add((byte)'\\');
            }
            quoted.Add(c);
        }
        quoted.Add((byte)quote);
        return [.. quoted];
    }
}
