using System.Text.Json;
using Npgsql;
using OrderPlatform.Consuming;
using OrderPlatform.Consuming.DeadLetters;
using OrderPlatform.Contracts;

namespace OrderPlatform.Projections.CustomerView;

/// <summary>What a change makes of a customer.</summary>
/// <param name="Place">Where the change stands.</param>
/// <param name="Customer">Its fields; null when it is gone.</param>
internal sealed record CustomerViewRow(string Id, ChangePlace Place, CustomerFields? Customer)
{
    /// <summary>Reads a change. Fields that this build does not know are left out.</summary>
    /// <exception cref="PoisonRecordException">It is none of a customer.</exception>
    public static CustomerViewRow Of(Record record, TableRecord change)
    {
        try
        {
            var row = change.After ?? change.Before ?? throw new KeyNotFoundException("it has no row");
            return new CustomerViewRow(row.GetProperty("id").GetString()!, change.Place, change.After is { } after ? CustomerFields.Of(after) : null);
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new PoisonRecordException(record.Source, $"It is no change of a customer: {e.Message}", e);
        }
    }
}

/// <summary>A customer's fields, the personal ones as ciphertext.</summary>
internal sealed record CustomerFields(byte[] Name, byte[] Email, byte[]? Phone, byte[]? Address, int Version, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt)
{
    /// <summary>Their columns, which the table and the view have.</summary>
    public const string Columns = "name, email, phone, address, version, created_at, updated_at";

    /// <summary>Reads a row.</summary>
    public static CustomerFields Of(JsonElement row) => new(
        row.GetProperty("name").GetBytesFromBase64(), row.GetProperty("email").GetBytesFromBase64(), Optional(row, "phone"), Optional(row, "address"),
        row.GetProperty("version").GetInt32(), Time(row, "created_at"), Time(row, "updated_at"));

    /// <summary>Reads a row of the table or of the view.</summary>
    /// <param name="first">Where <see cref="Columns"/> begin in it.</param>
    public static CustomerFields Read(NpgsqlDataReader row, int first)
    {
        byte[]? Optional(int column) => row.IsDBNull(column) ? null : row.GetFieldValue<byte[]>(column);
        return new CustomerFields(
            row.GetFieldValue<byte[]>(first), row.GetFieldValue<byte[]>(first + 1), Optional(first + 2), Optional(first + 3),
            row.GetInt32(first + 4), row.GetFieldValue<DateTimeOffset>(first + 5), row.GetFieldValue<DateTimeOffset>(first + 6));
    }

    private static byte[]? Optional(JsonElement row, string name) => row.GetProperty(name) is { ValueKind: JsonValueKind.String } value ? value.GetBytesFromBase64() : null;

    private static DateTimeOffset Time(JsonElement row, string name) =>
        UtcTime.TryParse(row.GetProperty(name).GetString(), out var time) ? time : throw new FormatException($"{name} is not a time");
}
