namespace OrderPlatform.Engines.Kafka.Server;

/// <summary>The broker ends a connection, for a reason that its log will name.</summary>
internal sealed class ConnectionDroppedException(string reason) : Exception(reason);
