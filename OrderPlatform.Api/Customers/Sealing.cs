using System.Security.Cryptography;
using System.Text;

namespace OrderPlatform.Api.Customers;

/// <summary>
/// AES-256-GCM (NIST SP 800-38D) with a random nonce. What is sealed is bound to where it stands, so that a field cannot be
/// put in the place of another one. The form is: a version byte, nonce, tag, ciphertext.
/// </summary>
internal static class Sealing
{
    public const int KeyBytes = 32;
    private const byte Version = 1;
    private const int NonceBytes = 12;
    private const int TagBytes = 16;
    private const int HeadBytes = 1 + NonceBytes + TagBytes;

    public static byte[] Seal(byte[] key, ReadOnlySpan<byte> content, string place)
    {
        var box = new byte[HeadBytes + content.Length];
        box[0] = Version;
        var nonce = box.AsSpan(1, NonceBytes);
        RandomNumberGenerator.Fill(nonce);
        using var aes = new AesGcm(key, TagBytes);
        aes.Encrypt(nonce, content, box.AsSpan(HeadBytes), box.AsSpan(1 + NonceBytes, TagBytes), Encoding.UTF8.GetBytes(place));
        return box;
    }

    /// <exception cref="CryptographicException">It was sealed with another key, for another place, or has been changed.</exception>
    public static byte[] Open(byte[] key, ReadOnlySpan<byte> box, string place)
    {
        if (box.Length < HeadBytes || box[0] != Version)
        {
            throw new CryptographicException("This was not sealed by this version of the platform.");
        }
        var content = new byte[box.Length - HeadBytes];
        using var aes = new AesGcm(key, TagBytes);
        aes.Decrypt(box.Slice(1, NonceBytes), box[HeadBytes..], box.Slice(1 + NonceBytes, TagBytes), content, Encoding.UTF8.GetBytes(place));
        return content;
    }
}
