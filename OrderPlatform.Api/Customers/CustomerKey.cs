using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Options;

namespace OrderPlatform.Api.Customers;

/// <summary>The key of one customer's personal fields.</summary>
internal sealed class CustomerKey(string customerId, byte[] key)
{
    /// <summary>A field as it is stored; null stays null.</summary>
    public byte[]? Seal(string field, string? text) => text is null ? null : Sealing.Seal(key, Encoding.UTF8.GetBytes(text), Place(field));

    /// <summary>A field as it is read; null stays null.</summary>
    public string? Open(string field, byte[]? box) => box is null ? null : Encoding.UTF8.GetString(Sealing.Open(key, box, Place(field)));

    private string Place(string field) => $"customer/{customerId}/{field}";
}

/// <summary>Makes customers' keys, and wraps them for storage.</summary>
internal sealed class CustomerKeys(IOptions<PrivacyOptions> options)
{
    private readonly byte[] _masterKey = HKDF.DeriveKey(
        HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(options.Value.MasterKey), Sealing.KeyBytes, info: "orderplatform/customer-keys/v1"u8.ToArray());

    /// <summary>A new key, and its form for storage.</summary>
    public (CustomerKey Key, byte[] Wrapped) Make(string customerId)
    {
        var key = RandomNumberGenerator.GetBytes(Sealing.KeyBytes);
        return (new CustomerKey(customerId, key), Sealing.Seal(_masterKey, key, Place(customerId)));
    }

    /// <summary>The key that was stored.</summary>
    /// <exception cref="CryptographicException">It was wrapped with another master key.</exception>
    public CustomerKey Unwrap(string customerId, byte[] wrapped) => new(customerId, Sealing.Open(_masterKey, wrapped, Place(customerId)));

    private static string Place(string customerId) => $"customer/{customerId}";
}
