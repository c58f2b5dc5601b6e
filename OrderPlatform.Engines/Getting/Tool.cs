using System.ComponentModel;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Engines.Getting;

/// <summary>Runs a command line tool of this machine to its end.</summary>
internal static class Tool
{
    private const int LastLinesKept = 8;

    /// <summary>The tool's path, or null when it is not on PATH.</summary>
    public static string? Find(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, name))
            .FirstOrDefault(File.Exists);

    /// <exception cref="EngineException">The tool is not there, or ended with another code than 0: its last lines are in the message.</exception>
    public static async Task RunAsync(string name, ChildCommand command, Action<string> eachLine, CancellationToken cancellation)
    {
        var last = new Queue<string>();
        void Keep(string line)
        {
            lock (last)
            {
                last.Enqueue(line);
                if (last.Count > LastLinesKept)
                {
                    last.Dequeue();
                }
                eachLine(line);
            }
        }

        try
        {
            await using var tool = ChildProcess.Start(name, command, Keep);
            var code = await tool.Exited.WaitAsync(cancellation);
            if (code != 0)
            {
                throw new EngineException($"{name} failed with exit code {code}. Its last lines:{Environment.NewLine}{string.Join(Environment.NewLine, last)}");
            }
        }
        catch (Win32Exception e)
        {
            throw new EngineException($"{name} could not be started: {e.Message}.", e);
        }
    }
}
