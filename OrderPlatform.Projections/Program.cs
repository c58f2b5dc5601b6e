using OrderPlatform.Projections.Consuming;
using OrderPlatform.Projections.OrderView;
using OrderPlatform.Projections.Rankings;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceDefaults();
builder.AddPostgres(Connections.Views);
builder.AddKafka();
builder.AddRedis();
builder.AddClickHouse();

builder.Services.AddSingleton<ProjectionState>();
builder.Services.AddHealthChecks().AddCheck<ProjectionHealthCheck>("projections");
builder.Services.AddProjection<OrderViewProjection>();
builder.Services.AddProjection<RankingsProjection>();

var app = builder.Build();
app.MapServiceDefaults();
await app.RunAsync();
