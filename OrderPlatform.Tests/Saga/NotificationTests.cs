using System.Net;
using System.Net.Mail;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;
using OrderPlatform.Api.Customers;
using OrderPlatform.Api.Notifications;
using OrderPlatform.Api.Orders;
using OrderPlatform.Contracts.Events;
using OrderPlatform.Tests.Engines.Kafka;

namespace OrderPlatform.Tests.Saga;

public sealed class NotificationTests(EngineFixture engines)
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

    private readonly ManualClock _clock = new();
    private readonly CustomerKeys _keys = new(Options.Create(new PrivacyOptions { MasterKey = "OnlyForThisTestRun1OnlyForThisTestRun1" }));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_e_mail_that_a_crash_repeats_has_the_same_message_id()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        await RegisterAsync(database, "c-1");
        var dying = new Mailbox { DiesAfterSending = true };
        var living = new Mailbox();
        var (first, second) = (Participant(database, dying), Participant(database, living));
        var messages = new Messages(_clock);
        var placed = messages.Placed("c-1", new OrderItem("p-1", 1, 1m));
        var confirmed = messages.Of(placed.Key, 2, Order.Apply(null, placed.Read<OrderEvent>(), _clock.GetUtcNow()).Confirm());
        await first.WriteAsync([placed, confirmed], Cancellation);

        var broken = first.TickAsync(Cancellation);
        await Eventually.TrueAsync(() => dying.Ids.Count == 1, Bound, () => "it was not sent", Cancellation);
        (await second.TickAsync(Cancellation)).ShouldBeFalse("it is claimed");
        _clock.Advance(TimeSpan.FromMinutes(3));
        (await second.TickAsync(Cancellation)).ShouldBeTrue();

        living.Ids.ShouldBe(dying.Ids);
        living.Ids.ShouldBe([$"<{confirmed.Id}@orderplatform>"]);
        (await second.TickAsync(Cancellation)).ShouldBeFalse("it is sent");
        broken.IsCompleted.ShouldBeFalse();
    }

    [Fact]
    public async Task Whoever_is_no_customer_or_was_erased_gets_no_e_mail_and_old_history_tells_nobody()
    {
        await using var database = await OrdersDatabase.CreateAsync(engines, Cancellation);
        await RegisterAsync(database, "c-1");
        await RegisterAsync(database, "c-erased");
        var mailbox = new Mailbox();
        var participant = Participant(database, mailbox);
        var messages = new Messages(_clock);
        await participant.WriteAsync([Confirmed("c-erased"), Confirmed("c-unknown")], Cancellation);
        await database.ExecuteAsync("DELETE FROM customer_keys WHERE customer_id = 'c-erased'", Cancellation);
        var old = Confirmed("c-1");
        _clock.Advance(TimeSpan.FromDays(2));
        await participant.WriteAsync([old], Cancellation);

        while (await participant.TickAsync(Cancellation))
        {
        }

        mailbox.Ids.ShouldBeEmpty();
        (await CountAsync(database, "SELECT count(*) FROM notification WHERE customer_id = 'c-erased' AND status = 'Undeliverable' AND due_at IS NULL")).ShouldBe(1);
        (await CountAsync(database, "SELECT count(*) FROM notification")).ShouldBe(1);

        OrderPlatform.Consuming.Record Confirmed(string customer)
        {
            var order = Order.Apply(null, Order.Place(Guid.CreateVersion7().ToString("D"), customer, "USD", [new OrderItem("p-1", 1, 1m)], _clock.GetUtcNow()), _clock.GetUtcNow());
            return messages.Of(order.Id, 2, order.Confirm());
        }
    }

    [Fact]
    public async Task With_a_server_configured_an_e_mail_is_handed_to_it_by_smtp()
    {
        using var server = new TcpListener(IPAddress.Loopback, 0);
        server.Start();
        var received = ReceiveAsync(server);
        var options = Options.Create(new NotificationOptions { Smtp = new SmtpOptions { Host = "127.0.0.1", Port = ((IPEndPoint)server.LocalEndpoint).Port, Tls = false } });
        var notification = new Notification(Guid.CreateVersion7(), "c-1", "Your order is confirmed", "It is paid.");

        await new SmtpMailer(options).SendAsync(notification, new MailAddress("ada@example.com"), Cancellation);

        var lines = (await received.WaitAsync(Bound, Cancellation)).Split("\r\n");
        lines.ShouldContain("RCPT TO:<ada@example.com>");
        lines.ShouldContain(line => line.Equals($"Message-ID: {notification.MessageId}", StringComparison.OrdinalIgnoreCase));
        lines.ShouldContain("Subject: Your order is confirmed");
    }

    private NotificationsParticipant Participant(OrdersDatabase database, IMailer mailer) =>
        new(database.Source, new NotificationStore(database.Source, _clock), new CustomerStore(_keys), _clock, NullLogger<NotificationsParticipant>.Instance, mailer);

    private async Task RegisterAsync(OrdersDatabase database, string id)
    {
        var (key, wrapped) = _keys.Make(id);
        await using var command = database.Source.CreateCommand(
            "WITH customer AS (INSERT INTO customers VALUES ($1, $2, $3, NULL, NULL, 1, now(), now()) RETURNING id) INSERT INTO customer_keys SELECT id, $4 FROM customer");
        command.Parameters.AddRange((NpgsqlParameter[])[new() { Value = id }, new() { Value = key.Seal("name", "Ada")! }, new() { Value = key.Seal("email", $"{id}@example.com")! }, new() { Value = wrapped }]);
        await command.ExecuteNonQueryAsync(Cancellation);
    }

    private static async Task<long> CountAsync(OrdersDatabase database, string sql)
    {
        await using var command = database.Source.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync(Cancellation))!;
    }

    // as much of RFC 5321 as a client needs that sends one e-mail
    private static async Task<string> ReceiveAsync(TcpListener server)
    {
        using var client = await server.AcceptTcpClientAsync(Cancellation);
        using var reader = new StreamReader(client.GetStream(), Encoding.ASCII);
        await using var writer = new StreamWriter(client.GetStream(), Encoding.ASCII) { NewLine = "\r\n", AutoFlush = true };
        var said = new StringBuilder();
        await writer.WriteLineAsync("220 here");
        for (var data = false; await reader.ReadLineAsync(Cancellation) is { } line && line != "QUIT";)
        {
            said.Append(line).Append("\r\n");
            if (data && line != ".")
            {
                continue;
            }
            data = line == "DATA";
            await writer.WriteLineAsync(data ? "354 go on" : "250 yes");
            if (line == ".")
            {
                break;
            }
        }
        return said.ToString();
    }

    private sealed class Mailbox : IMailer
    {
        public bool DiesAfterSending { get; init; }

        public List<string> Ids { get; } = [];

        public async Task SendAsync(Notification notification, MailAddress to, CancellationToken cancellation)
        {
            Ids.Add(notification.MessageId);
            if (DiesAfterSending)
            {
                await Task.Delay(Timeout.Infinite, cancellation);
            }
        }
    }
}
