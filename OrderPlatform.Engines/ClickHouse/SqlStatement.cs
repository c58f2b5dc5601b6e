using System.Text;

namespace OrderPlatform.Engines.ClickHouse;

/// <summary>
/// The one statement of a request: whether data follow it, and where they begin.
/// </summary>
/// <remarks>
/// libchdb would read on after the data of an INSERT and run what it finds there, as its command line does. So the data are cut off
/// here, with the rules of ClickHouse's own parser (src/Parsers/ParserInsertQuery.cpp), and never reach it as text of a query.
/// </remarks>
internal readonly record struct SqlStatement
{
    /// <summary>Of an INSERT with data: the format they are in. Null for every other statement.</summary>
    public string? InputFormat { get; private init; }

    /// <summary>Where the statement ends; of an INSERT with data: before VALUES or FORMAT.</summary>
    public int End { get; private init; }

    /// <summary>Of an INSERT with data: where they begin.</summary>
    public int DataStart { get; private init; }

    /// <summary>The format of the result, when the statement names one.</summary>
    public string? OutputFormat { get; private init; }

    /// <summary>Reads the statement at the start of <paramref name="text"/>, which may be followed by data.</summary>
    /// <exception cref="ClickHouseError">No statement, several, or one that this interface does not serve.</exception>
    public static SqlStatement Parse(ReadOnlySpan<byte> text)
    {
        var tokens = new SqlTokenizer(text);
        if (!tokens.MoveNext() || tokens.Token == SqlToken.Semicolon)
        {
            throw ClickHouseError.Syntax("Empty query.");
        }
        var explained = tokens.Is("EXPLAIN"u8);
        var target = tokens.Is("INSERT"u8); // inside an INSERT, before its VALUES, FORMAT or SELECT
        var (isInsert, selects, depth) = (target, false, 0);
        string? outputFormat = null;
        var previous = tokens.Current;
        while (tokens.MoveNext() && tokens.Token != SqlToken.Semicolon)
        {
            if (tokens.Is("OUTFILE"u8) && Equals(previous, "INTO"u8))
            {
                throw new ClickHouseError("Code: 358. DB::Exception: INTO OUTFILE is not allowed. (INTO_OUTFILE_NOT_ALLOWED)");
            }
            if (tokens.Is("INSERT"u8) && explained)
            {
                (target, isInsert) = (true, true);
            }
            else if (depth == 0 && tokens.Token == SqlToken.Word && !IsBeforeName(previous))
            {
                if (target && (tokens.Is("VALUES"u8) || tokens.Is("FORMAT"u8)))
                {
                    return explained ? throw ClickHouseError.NotImplemented("EXPLAIN of an INSERT with data: send the INSERT alone.") : WithData(text, tokens);
                }
                if (target && tokens.Is("INFILE"u8))
                {
                    throw ClickHouseError.NotImplemented("FROM INFILE is the command line client's: send the data in the request's body.");
                }
                if (tokens.Is("FORMAT"u8))
                {
                    outputFormat = NextName(tokens);
                }
                target &= !tokens.Is("SELECT"u8) && !tokens.Is("WITH"u8);
            }
            selects |= tokens.Is("SELECT"u8);
            depth += tokens.Token switch { SqlToken.Open => 1, SqlToken.Close => -1, _ => 0 };
            previous = tokens.Current;
        }
        var end = tokens.Start;
        RefuseAnother(tokens);
        if (isInsert && selects && outputFormat != null)
        {
            throw ClickHouseError.NotImplemented("INSERT ... SELECT ... FORMAT with data for input(): insert the data and select from a table.");
        }
        // an INSERT that is not one of those known above is given to the parser as one with data to come: it cannot run as text
        return new SqlStatement { End = end, DataStart = text.Length, OutputFormat = outputFormat, InputFormat = isInsert && !selects ? "" : null };
    }

    /// <summary>Refuses a second statement behind the data of <c>INSERT ... VALUES</c>, which the engine would silently leave out.</summary>
    /// <param name="data">The data, whole.</param>
    /// <exception cref="ClickHouseError">There is one.</exception>
    public static void RefuseStatementAfterValues(ReadOnlySpan<byte> data)
    {
        var tokens = new SqlTokenizer(data);
        while (tokens.MoveNext() && tokens.Token != SqlToken.Semicolon)
        {
        }
        RefuseAnother(tokens);
    }

    private static void RefuseAnother(SqlTokenizer tokens)
    {
        while (tokens.Token == SqlToken.Semicolon)
        {
            tokens.MoveNext();
        }
        if (tokens.Token != SqlToken.End)
        {
            throw ClickHouseError.Syntax($"(Multi-statements are not allowed): failed at position {tokens.Start + 1}.");
        }
    }

    private static SqlStatement WithData(ReadOnlySpan<byte> text, SqlTokenizer tokens)
    {
        var end = tokens.Start;
        if (tokens.Is("VALUES"u8))
        {
            return new SqlStatement { End = end, InputFormat = "Values", DataStart = tokens.End };
        }
        var format = NextName(tokens) ?? throw ClickHouseError.Syntax("the name of a format is expected after FORMAT.");
        tokens.MoveNext();
        return new SqlStatement { End = end, InputFormat = format, DataStart = DataStartAfter(text, tokens.End) };
    }

    // the data begin after the first line break, or after the space when there is none
    private static int DataStartAfter(ReadOnlySpan<byte> text, int at)
    {
        if (at < text.Length && text[at] == ';')
        {
            throw ClickHouseError.Syntax("You have excessive ';' symbol before data for INSERT.");
        }
        while (at < text.Length && text[at] is (byte)' ' or (byte)'\t' or (byte)'\f')
        {
            at++;
        }
        at += at < text.Length && text[at] == '\r' ? 1 : 0;
        at += at < text.Length && text[at] == '\n' ? 1 : 0;
        return at;
    }

    private static string? NextName(SqlTokenizer tokens)
    {
        tokens.MoveNext();
        return tokens.Token switch
        {
            SqlToken.Word => Encoding.ASCII.GetString(tokens.Current),
            SqlToken.QuotedName => Encoding.UTF8.GetString(tokens.Current[1..^1]),
            _ => null,
        };
    }

    // after these a word is a name, whatever it says
    private static bool IsBeforeName(ReadOnlySpan<byte> previous) =>
        previous.SequenceEqual("."u8) || previous.SequenceEqual(","u8) || Equals(previous, "INTO"u8) || Equals(previous, "TABLE"u8)
        || Equals(previous, "FUNCTION"u8) || Equals(previous, "INSERT"u8) || Equals(previous, "SELECT"u8) || Equals(previous, "AS"u8) || Equals(previous, "BY"u8);

    private static bool Equals(ReadOnlySpan<byte> token, ReadOnlySpan<byte> keyword) => Ascii.EqualsIgnoreCase(token, keyword);
}
