using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace OrderPlatform.ServiceDefaults.ServiceLevels;

/// <summary>Registration of the service levels; the service needs the connections <c>views</c> and <c>orders</c>.</summary>
public static class ServiceLevelExtensions
{
    /// <summary>Adds recorder and report.</summary>
    public static void AddServiceLevels(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<ServiceLevelOptions>().BindConfiguration("ServiceLevels").ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton<ServiceLevelRecorder>().AddSingleton<ServiceLevelReport>().AddSingleton<SlotIndicators>();
        builder.Services.AddHostedService(services => services.GetRequiredService<ServiceLevelRecorder>());
    }

    /// <summary>Maps <c>GET /slo</c>.</summary>
    public static RouteHandlerBuilder MapServiceLevels(this WebApplication app) =>
        app.MapGet("/slo", AnswerAsync).WithName("GetServiceLevels").WithTags("Service levels").WithSummary("Read the service level indicators and whether their objectives are met");

    private static async Task<IResult> AnswerAsync(ServiceLevelReport report, SlotIndicators slots, CancellationToken cancellation)
    {
        try
        {
            var answer = await report.ReadAsync(cancellation);
            return TypedResults.Ok(answer with { Indicators = [.. answer.Indicators, .. await slots.ReadAsync(cancellation)] });
        }
        catch (NpgsqlException)
        {
            return TypedResults.Problem("The service levels cannot be read at the moment. Try again in a few seconds.", statusCode: StatusCodes.Status503ServiceUnavailable);
        }
    }
}
