using System.Diagnostics;

namespace OrderPlatform.Engines.Getting;

/// <summary>Tells how far a download or a build is: a bar on a terminal, a line now and then where the output is redirected.</summary>
public sealed class GettingProgress(TextWriter output, bool onTerminal)
{
    private const int BarWidth = 24;
    private const double MegaByte = 1_000_000;
    private static readonly TimeSpan LineEvery = TimeSpan.FromSeconds(5);

    private long _lastLine;

    /// <summary>Writes to the standard error, so that a program's own output stays clean.</summary>
    public static GettingProgress Console { get; } = new(System.Console.Error, !System.Console.IsErrorRedirected);

    /// <summary>A sentence of its own.</summary>
    public void Say(string sentence) => output.WriteLine(sentence);

    /// <summary>Bytes that have come, of the number expected.</summary>
    public void Bytes(string title, long done, long total) => Show(title, (double)done / total, $"{done / MegaByte,4:0} of {total / MegaByte:0} MB");

    /// <summary>A part of the whole, from 0 to 1, in words of its own.</summary>
    public void Show(string title, double part, string words)
    {
        part = Math.Clamp(part, 0, 1);
        if (onTerminal)
        {
            var filled = (int)(part * BarWidth);
            output.Write($"\r{title}  [{new string('#', filled)}{new string('.', BarWidth - filled)}]  {words}  {part,4:0%}\u001b[K");
        }
        else if (_lastLine == 0 || Stopwatch.GetElapsedTime(_lastLine) > LineEvery)
        {
            _lastLine = Stopwatch.GetTimestamp();
            output.WriteLine($"{title}  {words}  {part:0%}");
        }
    }

    /// <summary>The title's work has ended.</summary>
    public void Done(string title, string words)
    {
        _lastLine = 0;
        output.WriteLine(onTerminal ? $"\r{title}  {words}\u001b[K" : $"{title}  {words}");
    }
}
