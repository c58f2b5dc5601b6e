using System.Globalization;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Contracts.Rankings;

/// <summary>An order's entry in Redis: <c>{sequence} {status}</c>.</summary>
/// <param name="Sequence">Sequence of the last event that is booked: the order's version.</param>
/// <param name="Status">Where the order stands.</param>
public sealed record CachedStatus(int Sequence, OrderStatus Status)
{
    /// <summary>Reads an entry; null for one that is missing or not of this form.</summary>
    public static CachedStatus? Parse(string? entry) =>
        entry?.Split(' ') is [var sequence, var status]
            && int.TryParse(sequence, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && Enum.TryParse<OrderStatus>(status, out var known)
            ? new CachedStatus(number, known)
            : null;

    /// <inheritdoc />
    public override string ToString() => $"{Sequence} {Status}";
}
