namespace OrderPlatform.Engines.Kafka.Storage;

/// <summary>Wakes one waiting fetch when any of its partitions has grown, and when its wait is over.</summary>
internal sealed class AppendSignal
{
    private volatile TaskCompletionSource _set = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Ends with the next append after the last <see cref="Reset"/>.</summary>
    public Task Task => _set.Task;

    /// <summary>No more waiting, whatever there is.</summary>
    public bool IsOver { get; private set; }

    public void End()
    {
        IsOver = true;
        Set();
    }

    public void Set() => _set.TrySetResult();

    public void Reset()
    {
        if (_set.Task.IsCompleted)
        {
            _set = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }
}
