using OrderPlatform.Api.Analytics;
using OrderPlatform.Api.Audits;
using OrderPlatform.Api.Authentication;
using OrderPlatform.Api.Customers;
using OrderPlatform.Api.Description;
using OrderPlatform.Api.EventLog;
using OrderPlatform.Api.Http;
using OrderPlatform.Api.Idempotency;
using OrderPlatform.Api.Inventory;
using OrderPlatform.Api.Operations;
using OrderPlatform.Api.Orders;
using OrderPlatform.Api.Products;
using OrderPlatform.Api.Rankings;
using OrderPlatform.Api.Rebuilds;
using OrderPlatform.Api.Saga;
using OrderPlatform.Api.Tables;
using OrderPlatform.Consuming.DeadLetters;
using OrderPlatform.Contracts.Json;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;
using OrderPlatform.ServiceDefaults.ServiceLevels;

var builder = WebApplication.CreateBuilder(args);
builder.WebHost.ConfigureKestrel(kestrel => kestrel.AddServerHeader = false);
builder.AddServiceDefaults();
// an open write transaction holds its rows' locks, its own events and PostgreSQL's vacuum
builder.AddPostgres(Connections.Orders, transactionTimeout: TimeSpan.FromSeconds(5));
builder.AddPostgresContext<ProductsContext>(Connections.Orders);
builder.AddPostgresContext<InventoryContext>(Connections.Orders);
builder.AddPostgresContext<CustomersContext>(Connections.Orders);
builder.AddPostgres(Connections.Views);
builder.AddKafka();
builder.AddRedis();
builder.AddClickHouse();
builder.AddServiceLevels();

builder.Services.ConfigureHttpJsonOptions(json => PlatformJson.Configure(json.SerializerOptions));
builder.Services.AddProblemDetails();
builder.Services.AddSingleton<ApiKeys>().AddSingleton<RateLimits>();
builder.Services.AddSingleton<IdempotencyMetrics>().AddSingleton<IdempotentWrites>().AddHostedService<IdempotencyCleanup>();
builder.Services.AddSingleton<EventLogReader>().AddSingleton<Completeness>().AddSingleton<RankingReader>().AddSingleton<RebuildRequests>();
builder.Services.AddOrders();
builder.Services.AddCustomers();
builder.Services.AddHealthChecks().AddCheck<DeadLetterHealthCheck>("dead-letters");
builder.Services.AddApiDescription();
if (builder.Environment.IsDevelopment())
{
    builder.Services.AddHostedService<DevelopmentProducts>();
}
builder.AddSaga(); // last: hosted services start in this order

var app = builder.Build();
app.UseExceptionHandler();
app.UseProblems();
app.UseApiKeys();
app.MapServiceDefaults();
app.MapOrders();
app.MapProducts();
app.MapInventory();
app.MapCustomers();
app.MapApiDescription();
app.MapAnalytics();
app.MapRankings();
app.MapOperations();
app.MapAudits();
app.MapRebuilds();
app.MapTables();
app.MapServiceLevels().RequireScope(Scopes.AnalyticsRead).Produces<ServiceLevelAnswer>();
await app.RunAsync();
