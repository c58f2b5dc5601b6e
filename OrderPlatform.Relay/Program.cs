using OrderPlatform.ServiceDefaults;
using OrderPlatform.ServiceDefaults.Clients;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceDefaults();
builder.AddPostgres(Connections.Orders);
builder.AddKafka();
builder.AddKafkaProducer<byte[], byte[]>();

var app = builder.Build();
app.MapServiceDefaults();
await app.RunAsync();
