using OrderPlatform.Projections.Auditing.Replay;

namespace OrderPlatform.Projections.Auditing;

/// <summary>Registration of the audits.</summary>
internal static class AuditingExtensions
{
    /// <summary>Adds every audit, and who runs them.</summary>
    public static IServiceCollection AddAuditing(this IServiceCollection services)
    {
        services.AddOptions<AuditOptions>().BindConfiguration("Auditing").ValidateDataAnnotations().ValidateOnStart();
        services.AddSingleton<AuditStore>().AddSingleton<Lag>();
        services.AddSingleton<IAudit, OrdersAudit>().AddSingleton<IAudit, KafkaAudit>().AddSingleton<IAudit, OrderViewAudit>();
        services.AddSingleton<IAudit, CustomerViewAudit>().AddSingleton<IAudit, RankingsAudit>().AddSingleton<IAudit, SalesFactsAudit>();
        services.AddSingleton<IAudit, StockAudit>().AddSingleton<IAudit, PaymentsAudit>().AddSingleton<IAudit, DispatchAudit>().AddSingleton<IAudit, StuckOrdersAudit>();
        services.AddSingleton<Auditor>();
        return services;
    }
}
