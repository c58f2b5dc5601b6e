using Confluent.Kafka;

namespace OrderPlatform.Relay.Publishing;

/// <summary>Events on their way to Kafka: counts their acknowledgements.</summary>
internal sealed class Delivery
{
    private readonly TaskCompletionSource _acknowledged = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _open;

    public Delivery(int events)
    {
        _open = events;
        OnReport = Count; // one handler for all of them
        if (events == 0)
        {
            _acknowledged.SetResult();
        }
    }

    /// <summary>Ends with the last acknowledgement, or fails with the first refusal or error.</summary>
    public Task Acknowledged => _acknowledged.Task;

    /// <summary>Takes the report of each event.</summary>
    public Action<DeliveryReport<byte[], byte[]>> OnReport { get; }

    /// <summary>One of the events cannot be published.</summary>
    public void Refuse(string reason) => _acknowledged.TrySetException(new EventRefusedException(reason));

    private void Count(DeliveryReport<byte[], byte[]> report)
    {
        if (report.Error.Code is ErrorCode.MsgSizeTooLarge or ErrorCode.InvalidRecord or ErrorCode.InvalidMsg)
        {
            Refuse(report.Error.Reason);
        }
        else if (report.Error.IsError)
        {
            _acknowledged.TrySetException(new KafkaException(report.Error));
        }
        else if (Interlocked.Decrement(ref _open) == 0)
        {
            _acknowledged.TrySetResult();
        }
    }
}
