using System.Diagnostics;

namespace OrderPlatform.Tests.Engines.ClickHouse;

[Collection(nameof(ClickHouseCollection))]
public sealed class ClickHouseOfficialClientTests(ClickHouseFixture clickHouse)
{
    private const string Package = "@clickhouse/client@1.23.1";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_official_npm_client_is_content()
    {
        var folder = Directory.CreateTempSubdirectory("clickhouse-client-").FullName;
        try
        {
            File.Copy(Path.Combine(AppContext.BaseDirectory, "Engines/ClickHouse/clients/official-client.mjs"), Path.Combine(folder, "client.mjs"));
            await RunAsync(folder, "npm", "install", "--no-audit", "--no-fund", "--prefix", folder, Package);

            (await RunAsync(folder, "node", "client.mjs", clickHouse.Http.Address.ToString())).ShouldContain("the official client is content");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<string> RunAsync(string folder, string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(Cancellation), process.StandardError.ReadToEndAsync(Cancellation));
        await process.WaitForExitAsync(Cancellation);
        process.ExitCode.ShouldBe(0, await output + await errors);
        return await output;
    }
}
