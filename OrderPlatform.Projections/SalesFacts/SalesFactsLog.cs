namespace OrderPlatform.Projections.SalesFacts;

/// <summary>What the sales facts say.</summary>
internal static partial class SalesFactsLog
{
    [LoggerMessage(10, LogLevel.Information, "Finishing plan {Number} of {Facts} sales facts, which broke off")]
    public static partial void FinishingPlan(ILogger logger, long number, int facts);

    [LoggerMessage(11, LogLevel.Error, "ClickHouse does not hold the {Facts} sales facts that were written to it: its data were lost, torn or restored. They are rebuilt from the beginning of the topic")]
    public static partial void Rebuilding(ILogger logger, long facts);
}
