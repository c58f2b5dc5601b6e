using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Confluent.Kafka;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Consuming.DeadLetters;

/// <summary>A record as it came from Kafka, readable or not.</summary>
internal sealed class ArrivedRecord
{
    private const int MaxKeyLength = 500; // of a longer key the hash is kept: an index entry of PostgreSQL has a bound

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads its envelope.</summary>
    /// <param name="read">How.</param>
    public ArrivedRecord(ConsumeResult<byte[], byte[]> consumed, Func<ConsumeResult<byte[], byte[]>, Record> read)
    {
        Consumed = consumed;
        try
        {
            Record = read(consumed);
        }
        catch (PoisonRecordException e)
        {
            Problem = e.Message;
        }
    }

    /// <summary>What Kafka gave.</summary>
    public ConsumeResult<byte[], byte[]> Consumed { get; }

    /// <summary>The same, its envelope read; null when it cannot be.</summary>
    public Record? Record { get; }

    /// <summary>Why its envelope cannot be read.</summary>
    public string Problem { get; } = "";

    /// <summary>Where it stands.</summary>
    public TopicPartitionOffset Source => Consumed.TopicPartitionOffset;

    /// <summary>When it was handed to Kafka.</summary>
    public DateTimeOffset PublishedAt => new(Consumed.Message.Timestamp.UtcDateTime, TimeSpan.Zero);

    /// <summary>Bytes of its value.</summary>
    public int Size => Consumed.Message.Value?.Length ?? 0;

    /// <summary>What is parked with it. One without a key stands for itself alone.</summary>
    public string Key => Consumed.Message.Key is not { } key ? $"{Source.Topic}/{Source.Partition.Value}/{Source.Offset.Value}" : Text(key) ?? "sha256:" + Convert.ToHexStringLower(SHA256.HashData(key));

    /// <summary>Of a copy of a dead letter: whose, and which one; null for any other record.</summary>
    public RedrivenCopy? Redriven =>
        Consumed.Message.Headers.TryGetLastBytes(Envelope.RedrivenFor, out var consumer) && Consumed.Message.Headers.TryGetLastBytes(Envelope.DeadLetter, out var letter)
            && Encoding.ASCII.GetString(letter).Split('/') is [var id, var number]
            && long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var letterId) && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var redrive)
            ? new RedrivenCopy(Encoding.UTF8.GetString(consumer), letterId, redrive)
            : null;

    private static string? Text(byte[] key)
    {
        try
        {
            return Strict.GetString(key) is { Length: <= MaxKeyLength } text && !text.Any(char.IsControl) ? text : null;
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }
}

/// <summary>A copy of a dead letter in its topic.</summary>
/// <param name="Consumer">For whom it is; all others pass it over.</param>
/// <param name="Letter">The letter's id.</param>
/// <param name="Redrive">The number of the redrive: a copy of an earlier one is out of date.</param>
internal sealed record RedrivenCopy(string Consumer, long Letter, int Redrive);
