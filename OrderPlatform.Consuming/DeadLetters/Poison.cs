using System.Text.Json;
using Confluent.Kafka;
using Npgsql;
using OrderPlatform.ServiceDefaults.Clients;

namespace OrderPlatform.Consuming.DeadLetters;

/// <summary>
/// Tells a failure over what a record is from a failure of the store. When in doubt it is the store's: a store that fails is
/// tried again for ever and nothing is lost, while a record taken for poison stops its key until a person has looked.
/// </summary>
public static class Poison
{
    // what a store says of values, never of its own state; https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
    private static readonly HashSet<int> ClickHouseData =
    [
        6, // CANNOT_PARSE_TEXT
        26, 27, 38, 41, 72, // CANNOT_PARSE_QUOTED_STRING, _INPUT_ASSERTION_FAILED, _DATE, _DATETIME, _NUMBER
        53, 69, 70, // TYPE_MISMATCH, ARGUMENT_OUT_OF_BOUND, CANNOT_CONVERT_TYPE
        117, 321, 349, 407, // INCORRECT_DATA, VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE, CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN, DECIMAL_OVERFLOW
    ];

    /// <summary>Whether the same write would fail again for what is in it, however well the store is.</summary>
    public static bool IsIn(Exception failure) => failure switch
    {
        PoisonRecordException => true,
        // classes 22 data exception, 23 integrity constraint, 54 program limit: https://www.postgresql.org/docs/current/errcodes-appendix.html
        PostgresException postgres => postgres.SqlState is ['2', '2' or '3', ..] or ['5', '4', ..],
        ClickHouseException clickHouse => ClickHouseData.Contains(clickHouse.Code),
        KafkaException kafka => IsRefusal(kafka.Error),
        { InnerException: PostgresException wrapped } => IsIn(wrapped), // EF Core
        FormatException or ArithmeticException or ArgumentException or JsonException => true,
        _ => false,
    };

    /// <summary>Whether Kafka refuses a record for what it is.</summary>
    public static bool IsRefusal(Error error) => error.Code is ErrorCode.MsgSizeTooLarge or ErrorCode.InvalidRecord or ErrorCode.InvalidMsg;
}
