using System.Globalization;
using Npgsql;

namespace OrderPlatform.Relay.Reading;

/// <summary>
/// Whether PostgreSQL shows to everybody what the WAL tells. A transaction's commit is in the WAL a moment before others see its
/// rows, and long before while it waits for a synchronous standby. Whoever got the event by then and asked for its order would not
/// find it; and after a failover to that standby the event would tell of what never happened.
/// </summary>
/// <remarks>https://www.postgresql.org/docs/18/functions-info.html#FUNCTIONS-INFO-SNAPSHOT; the order is that of CommitTransaction in PostgreSQL's xact.c.</remarks>
internal sealed class Visibility : IAsyncDisposable
{
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(50);

    private readonly NpgsqlConnection _connection;
    private readonly NpgsqlCommand _current;

    // of the last snapshot: what is below its end and does not run is shown
    private ulong _end;
    private HashSet<ulong> _running = [];

    private Visibility(NpgsqlConnection connection)
    {
        _connection = connection;
        _current = new NpgsqlCommand("SELECT pg_current_snapshot()::text", connection);
    }

    /// <summary>Opens a connection for it.</summary>
    public static async Task<Visibility> OpenAsync(NpgsqlDataSource source, CancellationToken cancellation)
    {
        var visibility = new Visibility(await source.OpenConnectionAsync(cancellation));
        await visibility.LookAsync(cancellation);
        return visibility;
    }

    /// <summary>Whether the transaction is shown by what was seen last.</summary>
    /// <param name="transaction">Its id, of less than 2^31 transactions ago.</param>
    public bool Shows(uint transaction)
    {
        var behindEnd = (int)(transaction - (uint)_end);
        return behindEnd < 0 && !_running.Contains(_end - (ulong)-(long)behindEnd);
    }

    /// <summary>Waits until the transaction, whose commit is in the WAL, is shown.</summary>
    public async ValueTask UntilShownAsync(uint transaction, CancellationToken cancellation)
    {
        for (var pause = ShortestPause; !Shows(transaction); pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            await LookAsync(cancellation);
            if (!Shows(transaction))
            {
                await Task.Delay(pause, cancellation);
            }
        }
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _current.DisposeAsync();
        await _connection.DisposeAsync();
    }

    // xmin:xmax:running,running
    private async Task LookAsync(CancellationToken cancellation)
    {
        var parts = ((string)(await _current.ExecuteScalarAsync(cancellation))!).Split(':');
        _end = ulong.Parse(parts[1], CultureInfo.InvariantCulture);
        _running = [.. parts[2].Split(',', StringSplitOptions.RemoveEmptyEntries).Select(id => ulong.Parse(id, CultureInfo.InvariantCulture))];
    }
}
