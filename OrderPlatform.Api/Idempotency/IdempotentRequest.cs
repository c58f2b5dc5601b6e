using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using OrderPlatform.Api.Authentication;
using OrderPlatform.Api.Http;

namespace OrderPlatform.Api.Idempotency;

/// <summary>A POST that can be sent again without being done again.</summary>
/// <param name="Caller">Whose key it is: the same key of another caller is another one.</param>
/// <param name="Key">The header Idempotency-Key.</param>
/// <param name="Hash">SHA-256 of method, path and body: what the key stands for.</param>
/// <param name="ForGood">The key never expires (imports).</param>
public sealed record IdempotentRequest(string Caller, string Key, byte[] Hash, bool ForGood)
{
    /// <summary>PostgreSQL's advisory lock of the key: whoever has it works on the request.</summary>
    public long Lock => BinaryPrimitives.ReadInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes($"{Caller}\n{Key}")));

    /// <summary>The request as it came.</summary>
    /// <param name="body">Its body's bytes.</param>
    /// <param name="forGood">The key never expires (imports).</param>
    /// <exception cref="ProblemException">400 without a usable key.</exception>
    public static IdempotentRequest Of(HttpContext http, ReadOnlyMemory<byte> body, bool forGood) => new(http.Caller().Name, KeyOf(http), HashOf(http, body), forGood);

    private static string KeyOf(HttpContext http) =>
        http.Request.Headers["Idempotency-Key"] is [{ Length: >= 1 and <= 255 } key] && key.All(c => c is >= ' ' and <= '~')
            ? key
            : throw new ProblemException(StatusCodes.Status400BadRequest, "Send an Idempotency-Key header of 1 to 255 printable ASCII characters, a new one for every new request.");

    private static byte[] HashOf(HttpContext http, ReadOnlyMemory<byte> body)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{http.Request.Method}\n{http.Request.Path}\n"));
        hash.AppendData(body.Span);
        return hash.GetHashAndReset();
    }
}
