namespace OrderPlatform.AppHost.Standalone;

/// <summary>What the command line says.</summary>
/// <param name="DataFolder">Full path of the folder that holds everything the platform keeps.</param>
/// <param name="ApiPort">Loopback port of the Api.</param>
/// <param name="FaultPort">Loopback port that commands a faulty network between services and engines; null for none.</param>
internal sealed record StandaloneOptions(string DataFolder, int ApiPort, int? FaultPort = null)
{
    public const string Usage =
        """
        Starts the whole order platform on this machine, without containers.

          dotnet run --project OrderPlatform.AppHost [-- options]

          --data DIR        where everything is kept (default: .orderplatform in the repository)
          --api-port PORT   the Api's port on 127.0.0.1 (default: 5080; everything else takes a free port)
          --fault-port PORT a network that can be made to fail stands between services and engines, commanded by HTTP
                            on this port: for the chaos runner (default: there is none)
          --help            this text

        With a container runtime at hand, build with -p:UseAspire=true for the Aspire dashboard and containers.
        """;

    /// <exception cref="FormatException">The command line is not of the form of <see cref="Usage"/>; the message says where.</exception>
    public static StandaloneOptions Parse(IReadOnlyList<string> args)
    {
        var options = new StandaloneOptions(Path.Combine(RepositoryRoot(), ".orderplatform"), ApiPort: 5080);
        for (var i = 0; i < args.Count; i += 2)
        {
            var value = i + 1 < args.Count ? args[i + 1] : throw new FormatException($"{args[i]} is not an option, or its value is missing: see --help.");
            options = args[i] switch
            {
                "--data" => options with { DataFolder = Path.GetFullPath(value) },
                "--api-port" => options with { ApiPort = Port(args[i], value) },
                "--fault-port" => options with { FaultPort = Port(args[i], value) },
                _ => throw new FormatException($"'{args[i]}' is not an option: see --help."),
            };
        }
        return options;
    }

    private static int Port(string option, string value) =>
        int.TryParse(value, out var port) && port is > 0 and < 65536 ? port : throw new FormatException($"{option} takes a port from 1 to 65535, not '{value}'.");

    private static string RepositoryRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "OrderPlatform.sln")))
            {
                return folder.FullName;
            }
        }
        return Directory.GetCurrentDirectory();
    }
}
