using OrderPlatform.Projections.Consuming;
using OrderPlatform.Projections.OrderView;
using OrderPlatform.Projections.SalesFacts;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceDefaults();
builder.AddPostgres(Connections.Views);
builder.AddKafka();
builder.AddRedis();
builder.AddClickHouse();

builder.Services.AddSingleton<ProjectionState>().AddHostedService<CompletenessWriter>();
builder.Services.AddHealthChecks().AddCheck<ProjectionHealthCheck>("projections");
builder.Services.AddProjection<OrderViewProjection>();
builder.Services.AddProjection<AnalyticsTransformer>();
builder.Services.AddProjection<SalesFactsProjection>();

var app = builder.Build();
app.MapServiceDefaults();
await app.RunAsync();
