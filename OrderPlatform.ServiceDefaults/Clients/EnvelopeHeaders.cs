using System.Globalization;
using System.Text;
using Confluent.Kafka;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.ServiceDefaults.Clients;

/// <summary>The headers of a record that carries an event, as <see cref="Envelope"/> names them.</summary>
public static class EnvelopeHeaders
{
    /// <summary>All headers of an event.</summary>
    /// <param name="key">The aggregate's id: the record's key.</param>
    /// <param name="recordedAt">When the event was written to the event log; what is derived from it keeps this time.</param>
    /// <param name="traceParent">The trace that it belongs to, if any.</param>
    public static Headers Of(string id, string type, string aggregate, string key, int sequence, DateTimeOffset occurredAt, DateTimeOffset recordedAt, string? traceParent)
    {
        var headers = new Headers
        {
            { Envelope.SpecVersion, "1.0"u8.ToArray() },
            { Envelope.Id, Encoding.UTF8.GetBytes(id) },
            { Envelope.Type, Encoding.UTF8.GetBytes(type) },
            { Envelope.Source, Encoding.UTF8.GetBytes(Envelope.SourceOf(aggregate)) },
            { Envelope.Subject, Encoding.UTF8.GetBytes(key) },
            { Envelope.Time, Encoding.ASCII.GetBytes(UtcTime.Format(occurredAt)) },
            { Envelope.RecordedTime, Encoding.ASCII.GetBytes(UtcTime.Format(recordedAt)) },
            { Envelope.DataSchema, Encoding.UTF8.GetBytes(EventTypes.DataSchemaOf(type)) },
            { Envelope.Sequence, Encoding.ASCII.GetBytes(sequence.ToString(CultureInfo.InvariantCulture)) },
            { Envelope.ContentType, "application/json"u8.ToArray() },
        };
        if (traceParent is not null)
        {
            headers.Add(Envelope.TraceParent, Encoding.ASCII.GetBytes(traceParent));
        }
        return headers;
    }
}
