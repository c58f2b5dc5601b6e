using System.Runtime.InteropServices;
using System.Text.Json;

namespace OrderPlatform.Bench;

/// <summary>What a result was measured on.</summary>
internal static class Machine
{
    /// <summary>Cores, system and runtime, in one line.</summary>
    public static string Description { get; } = $"{Environment.ProcessorCount} cores, {RuntimeInformation.OSDescription.Trim()}, {RuntimeInformation.FrameworkDescription}";

    /// <summary>How result files are written.</summary>
    public static JsonSerializerOptions Json { get; } = new(JsonSerializerDefaults.Web) { WriteIndented = true };
}
