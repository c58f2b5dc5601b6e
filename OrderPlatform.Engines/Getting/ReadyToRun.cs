using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Microsoft.AspNetCore.Builder;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Engines.Getting;

/// <summary>
/// Compiles the assemblies of folders to machine code, in place: a process starts with a third less CPU by it, which counts when one that
/// was killed shares the cores with all others (docs/decisions/0019). Where that cannot be had, they stay as they are and run all the same.
/// </summary>
/// <remarks>https://learn.microsoft.com/dotnet/core/deploying/ready-to-run. The code is thrown away where it does not fit the runtime or the processor.</remarks>
public static class ReadyToRun
{
    private const string Title = "Compiling ahead of time";

    // to be asked for and not to be had must not cost a build more than this
    private static readonly TimeSpan GettingBound = TimeSpan.FromMinutes(1);

    private static string[] Frameworks => [RuntimeEnvironment.GetRuntimeDirectory(), Path.GetDirectoryName(typeof(WebApplication).Assembly.Location)!];

    // Vector<T> has the size that the compiler is told of: without this, code with it is left to the runtime
    private static string[] InstructionSets => Avx2.IsSupported && Bmi2.IsSupported && Lzcnt.IsSupported ? ["--instruction-set", "x86-64-v3"] : [];

    /// <summary>Compiles what is not compiled yet.</summary>
    /// <param name="kept">A folder that keeps what was compiled, for when an assembly comes again as it was. What is not of these folders is removed from it.</param>
    public static async Task CompileAsync(IReadOnlyList<string> folders, string kept, EngineCache cache, CancellationToken cancellation)
    {
        if (await CompilerAsync(cache, cancellation) is not { } compiler)
        {
            return;
        }
        Directory.CreateDirectory(kept);
        var images = folders.SelectMany(folder => Directory.GetFiles(folder, "*.dll")).Select(Assembly.TryRead).OfType<Assembly>().ToLookup(assembly => Path.Combine(kept, assembly.Image));
        var (done, compiled) = (0, 0);
        await Parallel.ForEachAsync(images, new ParallelOptions { CancellationToken = cancellation, MaxDegreeOfParallelism = Environment.ProcessorCount }, async (image, stopping) =>
        {
            var left = image.Where(assembly => !assembly.IsCompiled).Select(assembly => assembly.Path).ToList();
            if (left.Count > 0 && !File.Exists(image.Key))
            {
                cache.Progress.Show(Title, (double)done / images.Count, Path.GetFileName(left[0]));
                await TryCompileAsync(compiler, left[0], image.Key, stopping);
                Interlocked.Increment(ref compiled);
            }
            if (File.Exists(image.Key))
            {
                left.ForEach(path => Replace(path, image.Key));
            }
            Interlocked.Increment(ref done);
        });
        Directory.GetFiles(kept).Where(file => !images.Contains(file)).ToList().ForEach(File.Delete);
        if (compiled > 0)
        {
            cache.Progress.Done(Title, $"{compiled} assemblies");
        }
    }

    private static async Task<string?> CompilerAsync(EngineCache cache, CancellationToken cancellation)
    {
        if (EnginePackages.Crossgen is not { } package)
        {
            return null;
        }
        try
        {
            using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            bound.CancelAfter(GettingBound);
            return Path.Combine(await cache.GetAsync(package, bound.Token), "crossgen2");
        }
        catch (Exception e) when (e is EngineException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            cache.Progress.Say($"Nothing is compiled ahead of time, so starts take longer: {e.Message}");
            return null;
        }
    }

    // some cannot be compiled; they stay as they are
    private static async Task TryCompileAsync(string compiler, string assembly, string image, CancellationToken cancellation)
    {
        var partial = $"{image}.{Guid.NewGuid():N}";
        string[] references = [.. Frameworks.Append(Path.GetDirectoryName(assembly)!).SelectMany(folder => new[] { "-r", Path.Combine(folder, "*.dll") })];
        string[] target = ["--targetos", OperatingSystem.IsMacOS() ? "osx" : "linux", "--targetarch", RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant()];
        try
        {
            await Tool.RunAsync("crossgen2", new ChildCommand(compiler, ["-O", .. target, .. InstructionSets, .. references, assembly, "-o", partial]), _ => { }, cancellation);
            File.Move(partial, image, overwrite: true);
        }
        catch (EngineException)
        {
            File.Delete(partial);
        }
    }

    // by a rename: a process that runs keeps what it has
    private static void Replace(string path, string image)
    {
        var partial = $"{path}.{Guid.NewGuid():N}";
        File.Copy(image, partial);
        File.Move(partial, path, overwrite: true);
    }

    /// <summary>An assembly of a folder.</summary>
    /// <param name="Image">The file that its compiled form is kept as: named by what tells one compilation of the assembly from another.</param>
    private sealed record Assembly(string Path, string Image, bool IsCompiled)
    {
        /// <summary>Null for a file that is no assembly.</summary>
        public static Assembly? TryRead(string path)
        {
            try
            {
                using var file = new PEReader(File.OpenRead(path));
                var metadata = file.GetMetadataReader();
                var version = metadata.GetGuid(metadata.GetModuleDefinition().Mvid);
                return new Assembly(path, $"{System.IO.Path.GetFileNameWithoutExtension(path)}-{version:N}.dll", file.PEHeaders.CorHeader!.ManagedNativeHeaderDirectory.Size > 0);
            }
            catch (Exception e) when (e is BadImageFormatException or InvalidOperationException)
            {
                return null;
            }
        }
    }
}
