namespace OrderPlatform.Relay;

/// <summary>What the relay says.</summary>
internal static partial class RelayLog
{
    [LoggerMessage(1, LogLevel.Information, "Publishing as the holder of lease {Lease}, epoch {Epoch}")]
    public static partial void LeaseTaken(ILogger logger, string lease, long epoch);

    [LoggerMessage(2, LogLevel.Warning, "Publishing stopped: {Reason} It starts again from the checkpoint in {Seconds:0.0} s")]
    public static partial void Restarting(ILogger logger, string reason, double seconds);
}
