using OrderPlatform.Engines.Getting;
using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Engines;

/// <summary>An embedded engine: how it is got, prepared, started and known to be ready.</summary>
public interface IEngine
{
    /// <summary>postgres, kafka, redis or clickhouse: its word on the command line, in logs and in the data folder.</summary>
    string Name { get; }

    /// <summary>What is fetched for it; null when nothing is.</summary>
    EnginePackage? Package => null;

    /// <summary>What this machine lacks to get and run the engine: each a sentence that names the mend. Empty when nothing.</summary>
    IReadOnlyList<string> Missing();

    /// <summary>Gets the engine into the user's cache; returns at once when it is there.</summary>
    /// <exception cref="EngineException">It could not be had; the message names the mend.</exception>
    Task GetAsync(CancellationToken cancellation);

    /// <summary>Makes the data folder ready (first start) and gives the command that runs the engine on it.</summary>
    /// <param name="dataFolder">The engine's own folder; made when missing.</param>
    /// <param name="port">The loopback port to listen on.</param>
    /// <exception cref="EngineException">The folder cannot be used; the message names the mend.</exception>
    Task<ChildCommand> PrepareAsync(string dataFolder, int port, CancellationToken cancellation);

    /// <summary>Whether a line that the engine writes is of no interest while all goes well.</summary>
    bool IsRoutine(string line) => false;

    /// <summary>True once the engine answers its own protocol on the port.</summary>
    Task<bool> IsReadyAsync(int port, CancellationToken cancellation);
}

/// <summary>An engine cannot be had, started or used. The message is one sentence for the person at the keyboard and names the mend.</summary>
public sealed class EngineException(string message, Exception? cause = null) : Exception(message, cause);
