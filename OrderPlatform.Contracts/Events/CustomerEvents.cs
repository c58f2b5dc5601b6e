namespace OrderPlatform.Contracts.Events;

/// <summary>
/// A customer after the event. Personal fields are ciphertext under the customer's own key: they say nothing without it, and
/// nothing to anybody once the customer was erased.
/// </summary>
public abstract record CustomerEvent
{
    /// <summary>The customer.</summary>
    public required string CustomerId { get; init; }

    /// <summary>Name, encrypted.</summary>
    public required byte[] Name { get; init; }

    /// <summary>E-mail address, encrypted.</summary>
    public required byte[] Email { get; init; }

    /// <summary>Telephone number, encrypted; null when there is none.</summary>
    public byte[]? Phone { get; init; }

    /// <summary>Postal address, encrypted; null when there is none.</summary>
    public byte[]? Address { get; init; }
}

/// <summary>A customer is new.</summary>
public sealed record CustomerRegistered : CustomerEvent;

/// <summary>A customer's fields were changed.</summary>
public sealed record CustomerChanged : CustomerEvent;
