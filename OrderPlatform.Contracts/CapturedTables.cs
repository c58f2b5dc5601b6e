namespace OrderPlatform.Contracts;

/// <summary>The tables of the orders database whose changes are published (docs/decisions/0016), each to a topic of its own. They are those of the publication orderplatform_tables.</summary>
public static class CapturedTables
{
    /// <summary>The schema that they are in.</summary>
    public const string Schema = "public";

    /// <summary>Customers; their personal fields are ciphertext.</summary>
    public const string Customers = "customers";

    /// <summary>Products.</summary>
    public const string Products = "products";

    /// <summary>The inventory: a product's stock.</summary>
    public const string Stock = "stock";

    /// <summary>Not published: a row that is inserted here asks for a snapshot, after Debezium's signalling.</summary>
    public const string Signals = "cdc_signals";

    /// <summary>Those that are published, by name.</summary>
    public static IReadOnlyList<string> All { get; } = [Customers, Products, Stock];
}
