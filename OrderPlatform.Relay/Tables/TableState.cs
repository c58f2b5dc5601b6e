namespace OrderPlatform.Relay.Tables;

/// <summary>What the publishing of tables' changes is doing, for metrics and health.</summary>
public sealed class TableState(TimeProvider clock) : RelayState(clock, "tables")
{
    /// <inheritdoc />
    internal override string WithoutSlot => IsOff is { } why ? why : "making its slot";

    /// <summary>Why no changes of tables are published, on purpose; null when they are.</summary>
    public string? IsOff { get; private set; }

    /// <summary>They are not to be published here.</summary>
    public void TurnedOff(string why)
    {
        IsOff = why;
        Progressed();
    }
}
