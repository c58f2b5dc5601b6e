using OrderPlatform.Projections.Auditing;
using OrderPlatform.Consuming;
using OrderPlatform.Projections.OrderView;
using OrderPlatform.Projections.Rankings;
using OrderPlatform.Projections.Rebuilding;
using OrderPlatform.Projections.SalesFacts;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;
using OrderPlatform.ServiceDefaults.ServiceLevels;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceDefaults();
builder.AddPostgres(Connections.Orders);
builder.AddPostgres(Connections.Views);
builder.AddKafka();
builder.AddRedis();
builder.AddClickHouse();
builder.AddServiceLevels();

builder.Services.AddSingleton<ProjectionState>().AddHostedService<CompletenessWriter>();
builder.Services.AddHealthChecks().AddCheck<ProjectionHealthCheck>("projections");
builder.Services.AddProjection<OrderViewProjection>();
builder.Services.AddProjection<AnalyticsTransformer>();
builder.Services.AddProjection<SalesFactsProjection>();
builder.Services.AddProjection<RankingsProjection>();

builder.Services.AddRebuilding();
builder.Services.AddHostedService<ConsistencyCheck>();

var app = builder.Build();
app.Services.GetRequiredService<ProjectionState>().Count(app.Services.GetRequiredService<ServiceLevelRecorder>());
app.MapServiceDefaults();
app.MapServiceLevels();
await app.RunAsync();
