using OrderPlatform.Relay;
using OrderPlatform.Relay.Reading;
using OrderPlatform.Relay.Tables;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceDefaults();
builder.AddPostgres(Connections.Orders, readBufferBytes: RelaySlot.ReadBufferBytes);
builder.AddKafka();

builder.Services.AddOptions<RelayOptions>().BindConfiguration("Relay").ValidateDataAnnotations().ValidateOnStart();
builder.Services.AddSingleton<RelayState>().AddHostedService<EventRelay>().AddHostedService<EventLogMonths>();
builder.Services.AddSingleton<TableState>().AddHostedService<TableRelay>();
builder.Services.AddHealthChecks().AddCheck<RelayHealthCheck<RelayState>>("relay").AddCheck<RelayHealthCheck<TableState>>("tables");

var app = builder.Build();
app.MapServiceDefaults();
await app.RunAsync();
