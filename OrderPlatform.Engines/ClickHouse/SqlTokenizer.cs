namespace OrderPlatform.Engines.ClickHouse;

internal enum SqlToken
{
    End,
    Word,
    QuotedName,
    String,
    Semicolon,
    Open,
    Close,
    Other,
}

/// <summary>
/// Splits a statement into tokens exactly where ClickHouse's own lexer does (src/Parsers/Lexer.cpp), as far as it matters to know
/// what is a keyword and what is text, a name or a comment. Numbers are words; operators are single bytes.
/// </summary>
internal ref struct SqlTokenizer(ReadOnlySpan<byte> text)
{
    private readonly ReadOnlySpan<byte> _text = text;

    /// <summary>Where the current token begins.</summary>
    public int Start { get; private set; }

    /// <summary>Where it ends: the first byte after it.</summary>
    public int End { get; private set; }

    public SqlToken Token { get; private set; }

    public readonly ReadOnlySpan<byte> Current => _text[Start..End];

    /// <summary>True for the keyword, in any case.</summary>
    public readonly bool Is(ReadOnlySpan<byte> keyword) => Token == SqlToken.Word && System.Text.Ascii.EqualsIgnoreCase(Current, keyword);

    /// <summary>Goes to the next token, over space and comments; false at the end.</summary>
    public bool MoveNext()
    {
        do
        {
            Start = End;
            (Token, var length) = Start < _text.Length ? Read(_text[Start..]) : (SqlToken.End, 0);
            End = Start + length;
        }
        while (Token == SqlToken.Other && IsBlank(Current));
        return Token != SqlToken.End;
    }

    private static (SqlToken, int) Read(ReadOnlySpan<byte> rest) => rest[0] switch
    {
        (byte)'\'' => (SqlToken.String, QuotedLength(rest)),
        (byte)'"' or (byte)'`' => (SqlToken.QuotedName, QuotedLength(rest)),
        (byte)';' => (SqlToken.Semicolon, 1),
        (byte)'(' => (SqlToken.Open, 1),
        (byte)')' => (SqlToken.Close, 1),
        (byte)'$' when HeredocLength(rest) is > 0 and var length => (SqlToken.String, length),
        // x'41' is a string whose letter belongs to it, but ends at its quote like any other: two tokens do no harm
        var c when IsWord(c) => (SqlToken.Word, WordLength(rest)),
        _ when rest.StartsWith("‘"u8) => (SqlToken.String, LengthUntil(rest, "’"u8)),
        _ when rest.StartsWith("“"u8) => (SqlToken.QuotedName, LengthUntil(rest, "”"u8)),
        _ when rest.StartsWith("--"u8) || rest.StartsWith("//"u8) || rest.StartsWith("# "u8) || rest.StartsWith("#!"u8) => (SqlToken.Other, LengthUntil(rest, "\n"u8)),
        _ when rest.StartsWith("/*"u8) => (SqlToken.Other, CommentLength(rest)),
        _ => (SqlToken.Other, 1),
    };

    // a comment, or space; beyond ASCII the lexer knows nothing but space either, and refuses the rest
    private static bool IsBlank(ReadOnlySpan<byte> token) =>
        token.Length > 1 || token[0] is (byte)' ' or (>= (byte)'\t' and <= (byte)'\r') or >= 0x80;

    private static bool IsWord(byte c) => char.IsAsciiLetterOrDigit((char)c) || c is (byte)'_' or (byte)'$';

    private static int WordLength(ReadOnlySpan<byte> rest)
    {
        var length = 1;
        while (length < rest.Length && IsWord(rest[length]))
        {
            length++;
        }
        return length;
    }

    // a quote is escaped by a backslash or by itself
    private static int QuotedLength(ReadOnlySpan<byte> rest)
    {
        for (var i = 1; i < rest.Length; i++)
        {
            if (rest[i] == rest[0] && (i + 1 == rest.Length || rest[i + 1] != rest[0]))
            {
                return i + 1;
            }
            if (rest[i] == '\\' || rest[i] == rest[0])
            {
                i++;
            }
        }
        return rest.Length;
    }

    // $tag$ ... $tag$
    private static int HeredocLength(ReadOnlySpan<byte> rest)
    {
        var tag = rest[1..].IndexOf((byte)'$') + 2;
        var end = tag < 2 ? -1 : rest[tag..].IndexOf(rest[..tag]);
        return end < 0 ? 0 : tag + end + tag;
    }

    // comments nest, as the SQL standard says
    private static int CommentLength(ReadOnlySpan<byte> rest)
    {
        var depth = 1;
        var i = 2;
        while (depth > 0 && i < rest.Length)
        {
            var step = rest[i..].StartsWith("*/"u8) ? -1 : rest[i..].StartsWith("/*"u8) ? 1 : 0;
            depth += step;
            i += step == 0 ? 1 : 2;
        }
        return i;
    }

    private static int LengthUntil(ReadOnlySpan<byte> rest, ReadOnlySpan<byte> end) =>
        rest.IndexOf(end) is >= 0 and var at ? at + end.Length : rest.Length;
}
