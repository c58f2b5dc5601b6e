using OrderPlatform.Api.Http;
using OrderPlatform.Contracts.Events;

namespace OrderPlatform.Api.Orders;

/// <summary>One line as callers send it.</summary>
public sealed record OrderItemRequest(string? ProductId, int? Quantity, decimal? UnitPrice)
{
    private const int MaxItems = 500;
    private const int MaxQuantity = 100_000;
    private const decimal MaxUnitPrice = 1_000_000m;

    /// <summary>Sums of millions of such orders are still exact in every store: Redis' numbers are to 2^53 cents.</summary>
    private const decimal MaxTotal = 1_000_000_000m;

    /// <summary>The lines, each field checked.</summary>
    /// <exception cref="ProblemException">400, naming the line and the field.</exception>
    internal static IReadOnlyList<OrderItem> Checked(IReadOnlyList<OrderItemRequest?>? items)
    {
        if (items is not { Count: >= 1 and <= MaxItems })
        {
            throw ProblemException.Invalid("items", $"must have 1 to {MaxItems} lines.");
        }
        List<OrderItem> lines = [.. items.Select((item, i) => item is null
            ? throw ProblemException.Invalid($"items[{i}]", "must be a line: productId, quantity and unitPrice.")
            : new OrderItem(
                Check.Id(item.ProductId, $"items[{i}].productId"),
                Check.Between(item.Quantity, 1, MaxQuantity, $"items[{i}].quantity"),
                Check.Amount(item.UnitPrice, MaxUnitPrice, $"items[{i}].unitPrice")))];
        return lines.Sum(line => line.Amount) <= MaxTotal ? lines : throw ProblemException.Invalid("items", $"must amount to {MaxTotal:F2} at most.");
    }
}
