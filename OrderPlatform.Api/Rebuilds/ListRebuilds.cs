using System.Globalization;
using Npgsql;
using NpgsqlTypes;
using OrderPlatform.Api.Http;
using OrderPlatform.ServiceDefaults;

namespace OrderPlatform.Api.Rebuilds;

/// <summary>GET /operations/rebuilds: newest first.</summary>
internal static class ListRebuilds
{
    public static async Task<IResult> HandleAsync(HttpContext http, string? limit, string? cursor, [FromKeyedServices(Connections.Views)] NpgsqlDataSource views, CancellationToken cancellation)
    {
        var after = Paging.Unpack(cursor, RebuildCursor.Parse);
        var size = Paging.Limit(limit);
        await using var command = views.CreateCommand($"SELECT {RebuildRow.Columns} FROM rebuild WHERE $1 IS NULL OR (requested_at, id) < ($1, $2) ORDER BY requested_at DESC, id DESC LIMIT $3");
        command.Parameters.Add(new NpgsqlParameter { Value = after?.RequestedAt ?? (object)DBNull.Value, NpgsqlDbType = NpgsqlDbType.TimestampTz });
        command.Parameters.Add(new NpgsqlParameter { Value = after?.Id ?? (object)DBNull.Value, NpgsqlDbType = NpgsqlDbType.Uuid });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = size + 1 });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var found = new List<RebuildAnswer>();
        while (await reader.ReadAsync(cancellation))
        {
            found.Add(RebuildRow.Read(reader));
        }
        return Paging.Answer(http, found, size, RebuildCursor.Pack);
    }

    /// <summary>The last one of a page.</summary>
    private sealed record RebuildCursor(DateTimeOffset RequestedAt, Guid Id)
    {
        public static string Pack(RebuildAnswer rebuild) => Paging.Pack($"{rebuild.RequestedAt.UtcTicks} {rebuild.Id}");

        public static RebuildCursor? Parse(string text) =>
            text.Split(' ') is [var ticks, var id] && long.TryParse(ticks, NumberStyles.None, CultureInfo.InvariantCulture, out var at) && at <= DateTimeOffset.MaxValue.Ticks && Guid.TryParse(id, out var guid)
                ? new RebuildCursor(new DateTimeOffset(at, TimeSpan.Zero), guid)
                : null;
    }
}
