using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using OrderPlatform.Engines.Getting;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Engines.Postgres;

/// <summary>PostgreSQL 18 with logical decoding, every commit flushed to disk, and scram passwords.</summary>
/// <remarks>In the data folder: <c>cluster</c>, PostgreSQL's own data directory, and <c>password</c>, of the user postgres.</remarks>
/// <param name="settings">name=value, over those of the platform.</param>
public sealed class PostgresEngine(EngineCache? cache = null, params IReadOnlyList<string> settings) : IEngine
{
    /// <summary>The cluster's superuser.</summary>
    public const string User = "postgres";

    // a command line and not postgresql.conf: what a newer version of the platform sets also holds for an older cluster
    private static readonly string[] Settings =
    [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=", // a socket in /tmp would be everybody's
        "wal_level=logical",
        "fsync=on",
        "synchronous_commit=on",
        "max_connections=200",
        "max_replication_slots=10",
        "max_wal_senders=10",
        "max_slot_wal_keep_size=4GB", // a relay that stays away does not fill the disk: its slot is lost then, which heals (docs/decisions/0014)
        "shared_buffers=128MB",
        "max_wal_size=1GB",
        "checkpoint_timeout=1min", // after a kill -9, what was written since the last checkpoint is read again: five minutes' worth took three seconds
        "jit=off", // compiling costs more than it gives for queries of milliseconds
        "timezone=UTC",
        "log_timezone=UTC",
        "logging_collector=off",
    ];

    private static readonly TimeSpan LastOwnerBound = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan LastOwnerPoll = TimeSpan.FromMilliseconds(100);

    private readonly EngineCache _cache = cache ?? EngineCache.User;
    private bool _lastWasRoutine;

    /// <inheritdoc />
    public string Name => "postgres";

    /// <inheritdoc />
    public EnginePackage? Package => EnginePackages.Postgres;

    /// <summary>The connection string of a database of the cluster in this data folder, with its password.</summary>
    /// <param name="dataFolder">The engine's data folder.</param>
    public static string ConnectionString(string dataFolder, int port, string database) =>
        $"Host=127.0.0.1;Port={port};Username={User};Password={File.ReadAllText(PasswordFile(dataFolder))};Database={database}";

    /// <summary>The file with the password of <see cref="User"/>, for its owner's eyes only.</summary>
    public static string PasswordFile(string dataFolder) => Path.Combine(dataFolder, "password");

    /// <inheritdoc />
    public IReadOnlyList<string> Missing() =>
        Package is null
            ? [$"There is no embedded PostgreSQL for {EnginePackages.Platform}: use containers (-p:UseAspire=true)."]
            : [.. _cache.Missing(Package), .. ServerUser.Missing(_cache.Root)];

    /// <inheritdoc />
    public Task GetAsync(CancellationToken cancellation) => _cache.GetAsync(Package!, cancellation);

    /// <inheritdoc />
    public async Task<ChildCommand> PrepareAsync(string dataFolder, int port, CancellationToken cancellation)
    {
        string cluster;
        try
        {
            var folder = ServerUser.MakeFolder(dataFolder);
            cluster = Path.Combine(folder, "cluster");
            if (!Directory.Exists(cluster))
            {
                await CreateClusterAsync(folder, cluster, cancellation);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EngineException($"PostgreSQL cannot keep its data in {dataFolder} ({e.Message}): make room or the right there, or give another folder with --data.", e);
        }
        await UntilLastOwnerHasGoneAsync(cluster, cancellation);
        return Server("postgres", ["-D", cluster, "-p", $"{port}", .. Settings.Concat(settings).SelectMany(setting => (string[])["-c", setting])]) with { StopSignal = "INT" };
    }

    /// <inheritdoc />
    /// <remarks>
    /// LOG is PostgreSQL's level above ERROR: its settings cannot leave out the one without the other. What is canceled was canceled by
    /// whoever had asked for it, and the FATAL is PostgreSQL's answer to the question whether it is ready.
    /// </remarks>
    public bool IsRoutine(string line) => _lastWasRoutine = Continues(line)
        ? _lastWasRoutine
        : line.Contains("] LOG:  ", StringComparison.Ordinal)
            || line.EndsWith("ERROR:  canceling statement due to user request", StringComparison.Ordinal)
            || line.EndsWith("FATAL:  the database system is starting up", StringComparison.Ordinal);

    // a message's further lines, which say more about it
    private static bool Continues(string line) => line.Contains("] DETAIL:  ", StringComparison.Ordinal) || line.Contains("] STATEMENT:  ", StringComparison.Ordinal);

    /// <inheritdoc />
    public async Task<bool> IsReadyAsync(int port, CancellationToken cancellation)
    {
        try
        {
            using var socket = new TcpClient();
            await socket.ConnectAsync("127.0.0.1", port, cancellation);
            var stream = socket.GetStream();
            await stream.WriteAsync(StartupMessage(), cancellation);
            var answer = new byte[1];
            await stream.ReadExactlyAsync(answer, cancellation);
            return answer[0] == 'R'; // asks for the password; while it is starting up, the answer is E
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            return false;
        }
    }

    // https://www.postgresql.org/docs/18/protocol-message-formats.html, StartupMessage 3.0
    private static byte[] StartupMessage()
    {
        var parameters = Encoding.ASCII.GetBytes($"user\0{User}\0database\0postgres\0\0");
        var message = new byte[8 + parameters.Length];
        BinaryPrimitives.WriteInt32BigEndian(message, message.Length);
        BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(4), 3 << 16);
        parameters.CopyTo(message, 8);
        return message;
    }

    private ChildCommand Server(string program, IReadOnlyList<string> arguments)
    {
        var bin = Path.Combine(_cache.PathOf(Package!), "native", "bin");
        return ServerUser.Run(new ChildCommand(Path.Combine(bin, program), arguments)
        {
            WorkingDirectory = bin, // the host's own folder may be closed to the server's user
            Environment = new Dictionary<string, string> { ["LC_ALL"] = Locale },
        });
    }

    private static string Locale => OperatingSystem.IsMacOS() ? "C" : "C.UTF-8";

    // initdb works beside the place and the result is renamed into it: an interruption leaves no half cluster
    private async Task CreateClusterAsync(string dataFolder, string cluster, CancellationToken cancellation)
    {
        var partial = cluster + ".partial";
        if (Directory.Exists(partial))
        {
            Directory.Delete(partial, recursive: true);
        }
        var passwordFile = PasswordFile(dataFolder);
        File.Delete(passwordFile);
        await using (var file = new FileStream(passwordFile, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }))
        {
            await file.WriteAsync(Encoding.ASCII.GetBytes(RandomNumberGenerator.GetHexString(32, lowercase: true)), cancellation);
        }
        ServerUser.Own(passwordFile);
        await Tool.RunAsync("initdb", Server("initdb",
            ["-D", partial, "-U", User, "--pwfile", passwordFile, "--auth=scram-sha-256", "--encoding=UTF8", $"--locale={Locale}"]), _ => { }, cancellation);
        Directory.Move(partial, cluster);
    }

    /// <summary>
    /// After a kill -9 the last server's backends may still be there, for a moment, with its shared memory; PostgreSQL then
    /// refuses to start. Its own check mode takes and gives back the lock, so it knows.
    /// </summary>
    private async Task UntilLastOwnerHasGoneAsync(string cluster, CancellationToken cancellation)
    {
        using var bound = new CancellationTokenSource(LastOwnerBound);
        var lockFile = Path.Combine(cluster, "postmaster.pid");
        while (File.Exists(lockFile))
        {
            if (ProcessName(int.Parse(File.ReadLines(lockFile).First())) is { } name && name != "postgres")
            {
                File.Delete(lockFile); // after a reboot the number may be that of any program
                return;
            }
            try
            {
                await Tool.RunAsync("PostgreSQL", Server("postgres", ["--check", "-D", cluster]), _ => { }, cancellation);
                return;
            }
            catch (EngineException e) when (bound.IsCancellationRequested)
            {
                throw new EngineException($"PostgreSQL still runs on {cluster}: stop it, or give another folder with --data. {e.Message}", e);
            }
            catch (EngineException)
            {
                await Task.Delay(LastOwnerPoll, cancellation);
            }
        }
    }

    private static string? ProcessName(int id)
    {
        try
        {
            using var process = Process.GetProcessById(id);
            return process.ProcessName;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            return null;
        }
    }
}
