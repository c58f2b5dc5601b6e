using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceDefaults();
builder.AddPostgres(Connections.Views);
builder.AddKafka();
builder.AddRedis();
builder.AddClickHouse();

var app = builder.Build();
app.MapServiceDefaults();
await app.RunAsync();
