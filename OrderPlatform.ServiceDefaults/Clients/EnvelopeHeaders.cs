using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Confluent.Kafka;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.ServiceDefaults.Clients;

/// <summary>The headers of a record that carries an event, as <see cref="Envelope"/> names them.</summary>
public static class EnvelopeHeaders
{
    private static readonly Header SpecVersion = new(Envelope.SpecVersion, "1.0"u8.ToArray());
    private static readonly Header ContentType = new(Envelope.ContentType, "application/json"u8.ToArray());

    // there are as many types as there are lines in EventTypes
    private static readonly ConcurrentDictionary<(string Type, string Aggregate), TypeHeaders> OfTypes = new();

    /// <summary>All headers of an event.</summary>
    /// <param name="key">The aggregate's id: the record's key.</param>
    /// <param name="recordedAt">When the event was written to the event log; what is derived from it keeps this time.</param>
    /// <param name="traceParent">The trace that it belongs to, if any.</param>
    public static Headers Of(string id, string type, string aggregate, string key, int sequence, DateTimeOffset occurredAt, DateTimeOffset recordedAt, string? traceParent)
    {
        var fixedOnes = OfTypes.GetOrAdd((type, aggregate), static of => new TypeHeaders(of.Type, of.Aggregate));
        var headers = new Headers
        {
            SpecVersion,
            { Envelope.Id, Encoding.UTF8.GetBytes(id) },
            fixedOnes.Type,
            fixedOnes.Source,
            { Envelope.Subject, Encoding.UTF8.GetBytes(key) },
            { Envelope.Time, UtcTime.FormatAscii(occurredAt) },
            { Envelope.RecordedTime, UtcTime.FormatAscii(recordedAt) },
            fixedOnes.DataSchema,
            { Envelope.Sequence, Encoding.ASCII.GetBytes(sequence.ToString(CultureInfo.InvariantCulture)) },
            ContentType,
        };
        if (traceParent is not null)
        {
            headers.Add(Envelope.TraceParent, Encoding.ASCII.GetBytes(traceParent));
        }
        return headers;
    }

    /// <summary>The headers that all events of a type share.</summary>
    private sealed class TypeHeaders(string type, string aggregate)
    {
        public Header Type { get; } = new(Envelope.Type, Encoding.UTF8.GetBytes(type));

        public Header Source { get; } = new(Envelope.Source, Encoding.UTF8.GetBytes(Envelope.SourceOf(aggregate)));

        public Header DataSchema { get; } = new(Envelope.DataSchema, Encoding.UTF8.GetBytes(EventTypes.DataSchemaOf(type)));
    }
}
