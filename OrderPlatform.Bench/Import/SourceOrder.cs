using System.Globalization;

namespace OrderPlatform.Bench.Import;

/// <summary>One line of a file of orders: <c>customer_id,order_date,quantity,amount_usd</c>.</summary>
/// <param name="Line">Its number in the file, from 1: some lines are alike to the letter and are two orders all the same.</param>
/// <param name="AmountCents">What was paid, in cents; 0 is possible.</param>
public sealed record SourceOrder(int Line, string CustomerId, DateOnly Date, int Quantity, long AmountCents)
{
    private const string Header = "customer_id,order_date,quantity,amount_usd";

    /// <summary>Reads a file.</summary>
    /// <exception cref="BenchException">It cannot be read, or a line is not of the form; the message names it.</exception>
    public static IReadOnlyList<SourceOrder> ReadFile(string path)
    {
        if (!File.Exists(path))
        {
            throw new BenchException($"There is no file {path}.");
        }
        using var lines = File.ReadLines(path).GetEnumerator();
        if (!lines.MoveNext() || lines.Current.Trim() != Header)
        {
            throw new BenchException($"The first line of {path} must be {Header}.");
        }
        var orders = new List<SourceOrder>();
        for (var line = 2; lines.MoveNext(); line++)
        {
            orders.Add(Parse(lines.Current, line) ?? throw new BenchException($"Line {line} of {path} is not of the form {Header}: {lines.Current}"));
        }
        return orders;
    }

    /// <summary>
    /// The lines of the order. The file has no prices: a product is invented for each price. Where the amount does not
    /// divide by the quantity, some pieces cost a cent more, as a second line of the same product.
    /// </summary>
    public IReadOnlyList<(string ProductId, int Quantity, decimal UnitPrice)> Items()
    {
        var (cents, dearer) = Math.DivRem(AmountCents, Quantity);
        var product = $"cd-{cents}";
        return dearer == 0
            ? [(product, Quantity, cents / 100m)]
            : [(product, Quantity - (int)dearer, cents / 100m), (product, (int)dearer, (cents + 1) / 100m)];
    }

    private static SourceOrder? Parse(string text, int line) =>
        text.Split(',') is [var customer, var date, var quantity, var amount]
            && int.TryParse(customer, NumberStyles.None, CultureInfo.InvariantCulture, out var customerNumber)
            && DateOnly.TryParseExact(date, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day)
            && int.TryParse(quantity, NumberStyles.None, CultureInfo.InvariantCulture, out var pieces) && pieces > 0
            && decimal.TryParse(amount, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var paid) && decimal.Round(paid, 2) == paid
            ? new SourceOrder(line, $"c-{customerNumber}", day, pieces, (long)(paid * 100))
            : null;
}
