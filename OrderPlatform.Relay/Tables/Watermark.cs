using System.Text;
using Npgsql;

namespace OrderPlatform.Relay.Tables;

/// <summary>A mark in the WAL around the reading of a chunk (DBLog, https://arxiv.org/abs/2010.12597): what is committed between the two may be newer than what was read.</summary>
/// <param name="Window">The chunk's window.</param>
/// <param name="IsHigh">The one after the reading.</param>
internal sealed record Watermark(Guid Window, bool IsHigh)
{
    /// <summary>Tells its message from those of others.</summary>
    public const string Prefix = "orderplatform.watermark";

    private const string High = "high";

    /// <summary>Writes it to the WAL.</summary>
    public async Task SendAsync(NpgsqlDataSource source, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand("SELECT pg_logical_emit_message(true, $1, $2)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = Prefix });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = $"{Window:N} {(IsHigh ? High : "low")}" });
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>The watermark in the content of a message of <see cref="Prefix"/>.</summary>
    public static Watermark Parse(ReadOnlySpan<byte> content)
    {
        var parts = Encoding.UTF8.GetString(content).Split(' ');
        return new Watermark(Guid.ParseExact(parts[0], "N"), parts[1] == High);
    }
}
