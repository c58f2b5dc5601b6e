namespace OrderPlatform.AppHost.Standalone;

/// <summary>The host's terminal: every line of every process behind its name, coloured where a person looks on (https://no-color.org).</summary>
internal sealed class HostConsole(TextWriter output, bool colours)
{
    private static readonly int[] Palette = [36, 33, 35, 32, 34, 96, 93, 95];
    private const int NameWidth = 11;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _colourOf = [];

    public static HostConsole ForTerminal() =>
        new(Console.Out, !Console.IsOutputRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")));

    /// <summary>A line that <paramref name="name"/> wrote.</summary>
    public void Log(string name, string line)
    {
        lock (_gate)
        {
            output.WriteLine($"{Coloured(name.PadRight(NameWidth), ColourOf(name))} {Coloured("|", 90)} {line}");
        }
    }

    /// <summary>A line of the host itself.</summary>
    public void Say(string line)
    {
        lock (_gate)
        {
            output.WriteLine(line);
        }
    }

    /// <summary>A line of the host that asks for attention.</summary>
    public void Warn(string line) => Say(Coloured(line, 31));

    /// <summary>Rows of a name, an address and a remark, in columns.</summary>
    public void Table(IReadOnlyList<(string Name, string Address, string Remark)> rows)
    {
        var width = rows.Max(row => row.Address.Length);
        lock (_gate)
        {
            foreach (var (name, address, remark) in rows)
            {
                output.WriteLine($"  {Coloured(name.PadRight(NameWidth), ColourOf(name))}  {address.PadRight(width)}  {Coloured(remark, 90)}".TrimEnd());
            }
        }
    }

    private int ColourOf(string name)
    {
        if (!_colourOf.TryGetValue(name, out var colour))
        {
            _colourOf[name] = colour = Palette[_colourOf.Count % Palette.Length];
        }
        return colour;
    }

    private string Coloured(string text, int colour) => colours ? $"\e[{colour}m{text}\e[0m" : text;
}
