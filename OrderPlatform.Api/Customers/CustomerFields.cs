using OrderPlatform.Api.Http;

namespace OrderPlatform.Api.Customers;

/// <summary>Checks of the fields of a customer.</summary>
internal static class CustomerFields
{
    private const int MaxNameLength = 200;
    private const int MaxEmailLength = 254; // RFC 5321, 4.5.3.1.3, without the brackets
    private const int MaxPhoneLength = 50;
    private const int MaxAddressLength = 500;

    public static string Name(string? value) => Check.Name(value, PersonalFields.Name, MaxNameLength);

    // whether an address works is known only by writing to it
    public static string Email(string? value) =>
        Check.Name(value, PersonalFields.Email, MaxEmailLength) is var text && text.IndexOf('@') is > 0 and var at && at < text.Length - 1
            ? text
            : throw ProblemException.Invalid(PersonalFields.Email, "must be an e-mail address, such as ada@example.com.");

    public static string? Phone(string? value) => Check.Text(value, PersonalFields.Phone, MaxPhoneLength);

    public static string? Address(string? value) => Check.Text(value, PersonalFields.Address, MaxAddressLength);
}
