using OrderPlatform.Projections.CustomerView;

namespace OrderPlatform.Projections.Auditing.Replay;

/// <summary>A customer at a version, as every copy of it must be. Of the personal fields, which are ciphertext, it has a hash.</summary>
/// <param name="CreatedAt">UTC.</param>
/// <param name="UpdatedAt">UTC.</param>
internal readonly record struct CustomerState(int Version, DateTime CreatedAt, DateTime UpdatedAt, ulong Fields)
{
    /// <summary>The UTC date on which it counts.</summary>
    public DateOnly Day => DateOnly.FromDateTime(CreatedAt);

    /// <summary>Hash of the whole.</summary>
    public ulong Hash => Digest.Of(ToString());

    /// <summary>Of a customer's fields.</summary>
    public static CustomerState Of(CustomerFields fields) => new(
        fields.Version, fields.CreatedAt.UtcDateTime, fields.UpdatedAt.UtcDateTime,
        Digest.Of(string.Join(' ', Text(fields.Name), Text(fields.Email), Text(fields.Phone), Text(fields.Address))));

    /// <inheritdoc />
    public override string ToString() =>
        $"version {Version}, created {CreatedAt:yyyy-MM-ddTHH:mm:ss.FFFFFF}Z, updated {UpdatedAt:yyyy-MM-ddTHH:mm:ss.FFFFFF}Z, sealed fields {Fields:x16}";

    private static string Text(byte[]? field) => field is null ? "-" : Convert.ToHexString(field);
}
