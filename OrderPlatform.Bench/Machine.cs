using System.Runtime.InteropServices;
using System.Text.Json;

namespace OrderPlatform.Bench;

/// <summary>What a result was measured on.</summary>
internal static class Machine
{
    /// <summary>Cores, system and runtime, in one line.</summary>
    public static string Description { get; } = $"{Environment.ProcessorCount} cores, {RuntimeInformation.OSDescription.Trim()}, {RuntimeInformation.FrameworkDescription}";

    /// <summary>Of the last minute; null where the system does not say.</summary>
    public static double? LoadAverage => File.Exists("/proc/loadavg") ? double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture) : null;

    /// <summary>How result files are written.</summary>
    public static JsonSerializerOptions Json { get; } = new(JsonSerializerDefaults.Web) { WriteIndented = true };
}
