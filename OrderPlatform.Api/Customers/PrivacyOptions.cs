namespace OrderPlatform.Api.Customers;

/// <summary>Configuration <c>Privacy</c>.</summary>
public sealed class PrivacyOptions
{
    /// <summary>Fewer characters could be guessed.</summary>
    public const int MinMasterKeyLength = 32;

    /// <summary>The secret that customers' keys are wrapped with. Whoever loses it cannot read the personal fields any more; it is never changed, only kept.</summary>
    public string MasterKey { get; set; } = "";
}
