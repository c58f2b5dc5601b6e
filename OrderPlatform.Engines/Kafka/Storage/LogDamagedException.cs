namespace OrderPlatform.Engines.Kafka.Storage;

/// <summary>A file holds what this broker cannot have written. The message is for a person: file, position, mend.</summary>
internal sealed class LogDamagedException(string message) : Exception(message)
{
    public static LogDamagedException At(string path, long position) => new(
        $"{path} is damaged at byte {position} and has acknowledged data there or behind it. Put the file back from a copy, or delete and recreate the topic; nothing was cut.");
}
