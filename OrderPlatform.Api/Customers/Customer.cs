namespace OrderPlatform.Api.Customers;

/// <summary>A customer as callers see it.</summary>
/// <param name="Name">This and the other personal fields are null for callers without the scope pii:read.</param>
/// <param name="Redacted">Personal fields were left out: the caller may not see them, or the customer was erased.</param>
/// <param name="Version">1 when new, one more with each change: its ETag.</param>
public sealed record Customer(
    string Id, string? Name, string? Email, string? Phone, string? Address, bool Redacted, int Version, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt);

/// <summary>A customer as it is stored and published: personal fields are ciphertext under the customer's key.</summary>
internal sealed record SealedCustomer(
    string Id, byte[] Name, byte[] Email, byte[]? Phone, byte[]? Address, int Version, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt)
{
    /// <summary>What may be seen with that key; without one nothing personal.</summary>
    public Customer Open(CustomerKey? key) => new(
        Id,
        key?.Open(PersonalFields.Name, Name),
        key?.Open(PersonalFields.Email, Email),
        key?.Open(PersonalFields.Phone, Phone),
        key?.Open(PersonalFields.Address, Address),
        Redacted: key is null, Version, CreatedAt, UpdatedAt);
}

/// <summary>A customer's key as it is stored.</summary>
internal sealed record WrappedKey(string CustomerId, byte[] Wrapped);

/// <summary>What each personal field is bound to when it is sealed. Changing one makes what is stored unreadable.</summary>
internal static class PersonalFields
{
    public const string Name = "name";
    public const string Email = "email";
    public const string Phone = "phone";
    public const string Address = "address";
}
