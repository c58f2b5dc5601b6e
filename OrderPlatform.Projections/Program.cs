using OrderPlatform.Projections.Auditing;
using OrderPlatform.Consuming;
using OrderPlatform.Consuming.DeadLetters;
using OrderPlatform.Projections.CustomerView;
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
builder.Services.AddHealthChecks().AddCheck<ProjectionHealthCheck>("projections").AddCheck<DeadLetterHealthCheck>("dead-letters");
builder.Services.AddDeadLetterMonitor();
builder.Services.AddProjection<OrderViewProjection>();
builder.Services.AddProjection<CustomerViewProjection>();
builder.Services.AddProjection<AnalyticsTransformer>();
builder.Services.AddProjection<SalesFactsProjection>();
builder.Services.AddProjection<RankingsProjection>();

builder.Services.AddAuditing().AddHostedService(services => services.GetRequiredService<Auditor>());
builder.Services.AddRebuilding();

var app = builder.Build();
app.Services.GetRequiredService<ProjectionState>().Count(app.Services.GetRequiredService<ServiceLevelRecorder>());
app.MapServiceDefaults();
app.MapServiceLevels();
await app.RunAsync();
