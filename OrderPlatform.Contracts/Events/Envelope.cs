namespace OrderPlatform.Contracts.Events;

/// <summary>
/// Header names of a record: CloudEvents 1.0 in Kafka's binary mode, attributes prefixed with <c>ce_</c>
/// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md), and W3C's trace context.
/// The record's key is the aggregate's id, its value the event as JSON.
/// </summary>
public static class Envelope
{
    /// <summary>Always <c>1.0</c>.</summary>
    public const string SpecVersion = "ce_specversion";

    /// <summary>The event's id, unique for good.</summary>
    public const string Id = "ce_id";

    /// <summary>The event's type with its version: <c>OrderCreated.v1</c>.</summary>
    public const string Type = "ce_type";

    /// <summary>The module that the event comes from: <c>/orderplatform/order</c>.</summary>
    public const string Source = "ce_source";

    /// <summary>The aggregate's id.</summary>
    public const string Subject = "ce_subject";

    /// <summary>When it happened, ISO 8601 UTC.</summary>
    public const string Time = "ce_time";

    /// <summary>CloudEvents' recordedtime extension: when it was written to the event log. Lag and freshness are counted from here.</summary>
    public const string RecordedTime = "ce_recordedtime";

    /// <summary>Names the JSON Schema of the value.</summary>
    public const string DataSchema = "ce_dataschema";

    /// <summary>CloudEvents' sequence extension: the event's number within its aggregate, from 1, without gaps.</summary>
    public const string Sequence = "ce_sequence";

    /// <summary>Kafka's binary mode names the value's media type like this, without a prefix: <c>application/json</c>.</summary>
    public const string ContentType = "content-type";

    /// <summary>W3C trace context of the request that caused the event; left out when there was none.</summary>
    public const string TraceParent = "traceparent";

    /// <summary>Of a dead letter's copy: the consumer that it is published again for. All others pass it over; they have had the record.</summary>
    public const string RedrivenFor = "redriven-for";

    /// <summary>Of a dead letter's copy: which letter, and the number of its redrive: <c>17/1</c>.</summary>
    public const string DeadLetter = "dead-letter";

    /// <summary>The <see cref="Source"/> of events of that kind of aggregate.</summary>
    public static string SourceOf(string aggregate) => "/orderplatform/" + aggregate;
}
