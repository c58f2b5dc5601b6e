using OrderPlatform.Relay;
using OrderPlatform.Relay.Reading;
using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceDefaults();
builder.AddPostgres(Connections.Orders, readBufferBytes: RelaySlot.ReadBufferBytes);
builder.AddKafka();

builder.Services.AddOptions<RelayOptions>().BindConfiguration("Relay").ValidateDataAnnotations().ValidateOnStart();
builder.Services.AddSingleton<RelayState>().AddHostedService<EventRelay>().AddHostedService<EventLogMonths>();
builder.Services.AddHealthChecks().AddCheck<RelayHealthCheck>("relay");

var app = builder.Build();
app.MapServiceDefaults();
await app.RunAsync();
