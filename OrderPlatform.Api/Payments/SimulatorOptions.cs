namespace OrderPlatform.Api.Payments;

/// <summary>Configuration <c>Payments:Simulator</c>. Which payments are meant is decided by their key, so that a repeat is treated the same.</summary>
public sealed class SimulatorOptions
{
    /// <summary>The part of payments that is declined, from 0 to 1.</summary>
    public double DeclineRate { get; set; }

    /// <summary>The part of payments whose first answer never comes, from 0 to 1.</summary>
    public double TimeoutRate { get; set; }

    /// <summary>The part of payments that is answered twice, from 0 to 1.</summary>
    public double DoubleAnswerRate { get; set; }

    internal double[] Rates => [DeclineRate, TimeoutRate, DoubleAnswerRate];
}
