using System.CommandLine;
using System.Reflection.PortableExecutable;
using System.Runtime.Loader;
using OrderPlatform.Engines.Getting;

namespace OrderPlatform.Tests.Engines.Getting;

public sealed class ReadyToRunTests : IDisposable
{
    private static readonly string Original = typeof(RootCommand).Assembly.Location;

    private readonly TemporaryFolder _folder = new();
    private readonly StringWriter _said = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Services => Directory.CreateDirectory(_folder["services"]).FullName;

    private string Kept => _folder["kept"];

    private string Copy => Path.Combine(Services, "System.CommandLine.dll");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task An_assembly_is_compiled_in_place_and_still_does_what_it_did()
    {
        File.Copy(Original, Copy);
        await File.WriteAllTextAsync(Path.Combine(Services, "broken.dll"), "no assembly", Cancellation);

        await CompileAsync();

        IsCompiled(Copy).ShouldBeTrue();
        var context = new AssemblyLoadContext(nameof(ReadyToRunTests), isCollectible: true);
        var command = context.LoadFromAssemblyPath(Copy).GetType(typeof(Command).FullName!)!;
        command.GetProperty(nameof(Command.Description))!.GetValue(Activator.CreateInstance(command, "name", "what it does")).ShouldBe("what it does");
        context.Unload();
        (await File.ReadAllTextAsync(Path.Combine(Services, "broken.dll"), Cancellation)).ShouldBe("no assembly");
    }

    [Fact]
    public async Task What_comes_again_as_it_was_is_not_compiled_again_and_what_is_gone_is_not_kept()
    {
        File.Copy(Original, Copy);
        await CompileAsync();
        var kept = Directory.GetFiles(Kept).ShouldHaveSingleItem();
        await File.AppendAllTextAsync(kept, "marked", Cancellation);
        File.Copy(Original, Copy, overwrite: true); // as the next build does

        await CompileAsync();

        (await File.ReadAllTextAsync(Copy, Cancellation)).ShouldEndWith("marked");
        File.Delete(Copy);
        await CompileAsync();
        Directory.GetFiles(Kept).ShouldBeEmpty();
    }

    [Fact]
    public async Task Without_the_compiler_everything_stays_as_it_is_and_that_is_said()
    {
        File.Copy(Original, Copy);
        await File.WriteAllTextAsync(_folder["cache"], "a file where the folder should be", Cancellation);

        await ReadyToRun.CompileAsync([Services], Kept, new EngineCache(_folder["cache"], new GettingProgress(_said, onTerminal: false)), Cancellation);

        IsCompiled(Copy).ShouldBeFalse();
        _said.ToString().ShouldContain("Nothing is compiled ahead of time");
    }

    private Task CompileAsync() => ReadyToRun.CompileAsync([Services], Kept, EngineCache.User, Cancellation);

    private static bool IsCompiled(string assembly)
    {
        using var file = new PEReader(File.OpenRead(assembly));
        return file.PEHeaders.CorHeader!.ManagedNativeHeaderDirectory.Size > 0;
    }
}
