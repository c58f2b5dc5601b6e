using System.Diagnostics;
using OrderPlatform.Engines;
using OrderPlatform.Engines.Getting;

namespace OrderPlatform.Tests.Engines.Getting;

public sealed class EngineCacheTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly StringWriter _said = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Root => _folder["cache"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Gets_a_package_through_npm_and_keeps_what_is_needed()
    {
        var package = FixturePackage.Write(_folder["fixture.tgz"]);

        var folder = await Cache().GetAsync(package, Cancellation);

        using var engine = Process.Start(new ProcessStartInfo(Path.Combine(folder, "bin", "engine")) { UseShellExecute = false, RedirectStandardOutput = true })!;
        (await engine.StandardOutput.ReadToEndAsync(Cancellation)).ShouldBe("runs\n");
        File.Exists(Path.Combine(folder, "README.md")).ShouldBeFalse();
        Partials().ShouldBeEmpty();
        _said.ToString().ShouldContain("Getting Fixture 1.0");
    }

    [Fact]
    public async Task What_is_there_is_not_fetched_again()
    {
        var package = FixturePackage.Write(_folder["fixture.tgz"]);
        await Cache().GetAsync(package, Cancellation);
        File.Delete(_folder["fixture.tgz"]);

        (await Cache().GetAsync(package, Cancellation)).ShouldBe(Cache().PathOf(package));
        Cache().Missing(package with { Source = new NothingThere() }).ShouldBeEmpty();
    }

    [Fact]
    public async Task Refuses_a_package_with_another_checksum()
    {
        var package = FixturePackage.Write(_folder["fixture.tgz"]) with { Sha512 = "AAAA" };

        await RefusesAsync(package, "instead of sha512-AAAA");
    }

    [Fact]
    public async Task Refuses_a_torn_package_even_when_its_checksum_is_right()
    {
        FixturePackage.Write(_folder["whole.tgz"], ("package/bin/large", new string('x', 200_000) + Guid.NewGuid()));
        var whole = await File.ReadAllBytesAsync(_folder["whole.tgz"], Cancellation);
        await File.WriteAllBytesAsync(_folder["torn.tgz"], whole[..(whole.Length / 2)], Cancellation);

        await RefusesAsync(FromFile("torn.tgz"), "is broken");
    }

    [Theory]
    [InlineData("package/../../outside")]
    [InlineData("/tmp/orderplatform-outside")]
    public async Task Refuses_a_path_that_leads_outside(string path)
    {
        FixturePackage.Write(_folder["evil.tgz"], (path, "evil"));

        await RefusesAsync(FromFile("evil.tgz"), "leads outside");
        File.Exists(_folder["outside"]).ShouldBeFalse();
        File.Exists("/tmp/orderplatform-outside").ShouldBeFalse();
    }

    [Fact]
    public async Task Gives_the_last_words_of_npm_when_it_fails() =>
        await RefusesAsync(FixturePackage.Write(_folder["fixture.tgz"]) with { Source = new NpmSource(_folder["not-there.tgz"]) }, "ENOENT");

    [Fact]
    public async Task Says_how_to_move_a_cache_that_cannot_be_written()
    {
        await File.WriteAllTextAsync(Root, "a file where the folder should be", Cancellation);

        (await Should.ThrowAsync<EngineException>(() => Cache().GetAsync(FixturePackage.Write(_folder["fixture.tgz"]), Cancellation)))
            .Message.ShouldContain("set ORDERPLATFORM_CACHE to another folder");
    }

    [Fact]
    public async Task Two_that_want_the_same_fetch_it_once()
    {
        var source = new CountingSource(_folder["fixture.tgz"]);
        var package = FixturePackage.Write(_folder["fixture.tgz"]) with { Source = source };

        var folders = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Cache().GetAsync(package, Cancellation)));

        folders.Distinct().ShouldHaveSingleItem();
        source.Fetches.ShouldBe(1);
        _said.ToString().ShouldContain("Waiting for another process that is getting Fixture 1.0");
    }

    [Fact]
    public async Task A_host_killed_in_mid_download_leaves_no_half_engine_and_no_lock()
    {
        await WriteFakeNpmAsync("echo fetching >&2; exec sleep 60");
        using (var host = new EnginesCommand(WithFakeNpm, "postgres", "--data", _folder["postgres"]))
        {
            await Eventually.TrueAsync(() => Partials().Length == 1 && host.Descendants().Count > 1, TimeSpan.FromSeconds(20), () => host.Output, Cancellation);
            var processes = host.Descendants();
            host.Signal("KILL");
            await Eventually.TrueAsync(() => ProcessTree.StillRunning(processes).Count == 0, TimeSpan.FromSeconds(10), () => "npm goes on", Cancellation);
        }
        Directory.GetDirectories(Root, "postgres-*").ShouldBeEmpty();

        await WriteFakeNpmAsync("echo 'npm error network is unreachable' >&2; exit 7");
        using var second = new EnginesCommand(WithFakeNpm, "postgres", "--data", _folder["postgres"]);
        (await second.ExitCodeAsync(Cancellation)).ShouldBe(1);
        second.Output.ShouldContain("network is unreachable");
    }

    [Fact]
    public async Task Partial_downloads_are_cleaned_up_after_a_day()
    {
        Directory.CreateDirectory(Path.Combine(Root, ".partial-old"));
        Directory.SetLastWriteTimeUtc(Path.Combine(Root, ".partial-old"), TimeProvider.System.GetUtcNow().UtcDateTime.AddDays(-2));
        Directory.CreateDirectory(Path.Combine(Root, ".partial-of-another"));

        await Cache().GetAsync(FixturePackage.Write(_folder["fixture.tgz"]), Cancellation);

        Partials().ShouldHaveSingleItem().ShouldEndWith(".partial-of-another");
    }

    private Dictionary<string, string> WithFakeNpm => new()
    {
        ["PATH"] = $"{_folder["fake"]}:{Environment.GetEnvironmentVariable("PATH")}",
        ["ORDERPLATFORM_CACHE"] = Root,
    };

    private async Task WriteFakeNpmAsync(string script)
    {
        Directory.CreateDirectory(_folder["fake"]);
        var npm = Path.Combine(_folder["fake"], "npm");
        await File.WriteAllTextAsync(npm, $"#!/bin/sh\n{script}\n", Cancellation);
        File.SetUnixFileMode(npm, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private EngineCache Cache() => new(Root, new GettingProgress(TextWriter.Synchronized(_said), onTerminal: false));

    private string[] Partials() => Directory.Exists(Root) ? Directory.GetDirectories(Root, ".partial-*") : [];

    // npm itself would refuse these files, so they are handed over as they are
    private EnginePackage FromFile(string name)
    {
        var bytes = File.ReadAllBytes(_folder[name]);
        return new EnginePackage("fixture", "Fixture", "1.0", new CountingSource(_folder[name]), bytes.Length, Convert.ToBase64String(System.Security.Cryptography.SHA512.HashData(bytes)));
    }

    private async Task RefusesAsync(EnginePackage package, string because)
    {
        (await Should.ThrowAsync<EngineException>(() => Cache().GetAsync(package, Cancellation))).Message.ShouldContain(because);
        Cache().Has(package).ShouldBeFalse();
        Partials().ShouldBeEmpty();
    }

    private sealed class CountingSource(string file) : IPackageSource
    {
        private int _fetches;

        public int Fetches => _fetches;

        public IEnumerable<string> Missing() => [];

        public async Task<string> FetchAsync(string folder, CancellationToken cancellation)
        {
            Interlocked.Increment(ref _fetches);
            await Task.Delay(300, cancellation); // long enough for the others to come and wait
            return file;
        }
    }

    private sealed class NothingThere : IPackageSource
    {
        public IEnumerable<string> Missing() => ["everything"];

        public Task<string> FetchAsync(string folder, CancellationToken cancellation) => throw new InvalidOperationException();
    }
}
