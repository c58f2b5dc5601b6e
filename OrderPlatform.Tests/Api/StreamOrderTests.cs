using System.Diagnostics;
using System.Net;
using System.Net.ServerSentEvents;
using System.Text.Json.Nodes;
using Npgsql;
using static OrderPlatform.Tests.Api.OrderRequests;

namespace OrderPlatform.Tests.Api;

public sealed class StreamOrderTests(PlatformFixture platform)
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(10);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_status_is_sent_as_it_happens_and_the_stream_ends_with_the_last()
    {
        var api = await platform.ApiAsync();
        var order = await api.PlaceAsync();
        using var response = await OpenAsync(api, order, null);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("text/event-stream");
        await using var events = Events(response);

        (await NextAsync(events)).ShouldBe(("status", "1", $$"""{"status":"Pending","version":1,"occurredAt":"{{order["updatedAt"]}}"}"""));
        using var changed = await api.SendAsync(Patch($"/orders/{order["id"]}/items", """{"items":[{"productId":"p","quantity":1,"unitPrice":1}]}""", "*"), Cancellation);
        (await NextAsync(events)).Id.ShouldBe("2");
        using var cancelled = await api.SendAsync(Post($"/orders/{order["id"]}/cancel", ""), Cancellation);
        var last = await NextAsync(events);
        last.Id.ShouldBe("3");
        ((string)JsonNode.Parse(last.Data)!["status"]!).ShouldBe("Cancelled");
        (await events.MoveNextAsync().AsTask().WaitAsync(Bound, Cancellation)).ShouldBeFalse();
    }

    [Fact]
    public async Task Whoever_comes_back_misses_nothing_and_is_told_when_there_is_nothing_more()
    {
        var api = await platform.ApiAsync();
        var order = await api.PlaceAsync();
        using var cancelled = await api.SendAsync(Post($"/orders/{order["id"]}/cancel", ""), Cancellation);

        using var resumed = await OpenAsync(api, order, "1");
        await using var events = Events(resumed);
        (await NextAsync(events)).Id.ShouldBe("2");
        using var finished = await OpenAsync(api, order, "2");

        finished.StatusCode.ShouldBe(HttpStatusCode.NoContent);
    }

    [Fact]
    public async Task What_another_replica_commits_is_seen_too()
    {
        var api = await platform.ApiAsync();
        var order = await api.PlaceAsync();
        using var response = await OpenAsync(api, order, null);
        await using var events = Events(response);
        await NextAsync(events);

        await using var source = NpgsqlDataSource.Create(await platform.PostgresAsync());
        await using var command = source.CreateCommand(
            """
            WITH cancelled AS (UPDATE orders SET status = 'Cancelled', version = 2 WHERE id = $1)
            INSERT INTO event_log (stream, sequence, event_id, type, topic, key, occurred_at, payload)
            SELECT stream, 2, gen_random_uuid(), 'OrderCancelled.v1', topic, key, now(),
                convert_to((convert_from(payload, 'UTF8')::jsonb - 'items' || '{"oldStatus":"Pending","newStatus":"Cancelled"}')::text, 'UTF8')
            FROM event_log WHERE stream = 'order/' || $1
            """);
        command.Parameters.Add(new NpgsqlParameter { Value = Guid.Parse((string)order["id"]!) });
        await command.ExecuteNonQueryAsync(Cancellation);

        (await NextAsync(events)).Id.ShouldBe("2");
    }

    [Theory]
    [InlineData("x")]
    [InlineData("-1")]
    [InlineData("2")]
    [InlineData("99999999999")]
    public async Task An_id_that_was_never_sent_is_refused(string lastEventId)
    {
        var api = await platform.ApiAsync();

        using var response = await OpenAsync(api, await api.PlaceAsync(), lastEventId);

        await response.ShouldBeProblemAsync(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task An_order_that_is_not_there_has_no_stream()
    {
        var api = await platform.ApiAsync();

        using var response = await api.GetAsync($"/orders/{Guid.NewGuid()}/stream", Cancellation);

        await response.ShouldBeProblemAsync(HttpStatusCode.NotFound);
    }

    internal static async Task<HttpResponseMessage> OpenAsync(HttpClient api, JsonObject order, string? lastEventId)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/orders/{order["id"]}/stream");
        if (lastEventId is not null)
        {
            request.Headers.TryAddWithoutValidation("Last-Event-ID", lastEventId);
        }
        return await api.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancellation);
    }

    private static IAsyncEnumerator<SseItem<string>> Events(HttpResponseMessage response) =>
        SseParser.Create(response.Content.ReadAsStream(Cancellation)).EnumerateAsync(Cancellation).GetAsyncEnumerator(Cancellation);

    private static async Task<(string Type, string? Id, string Data)> NextAsync(IAsyncEnumerator<SseItem<string>> events)
    {
        (await events.MoveNextAsync().AsTask().WaitAsync(Bound, Cancellation)).ShouldBeTrue();
        return (events.Current.EventType, events.Current.EventId, events.Current.Data);
    }
}

/// <summary>Takes its time: beside the others.</summary>
public sealed class StreamHeartbeatTests(PlatformFixture platform)
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(25);

    [Fact]
    public async Task A_silent_stream_is_kept_open_by_comments()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var api = await platform.ApiAsync();
        using var response = await StreamOrderTests.OpenAsync(api, await api.PlaceAsync(), "1");
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellation));
        var since = Stopwatch.GetTimestamp();

        (await reader.ReadLineAsync(cancellation).AsTask().WaitAsync(Bound, cancellation)).ShouldStartWith(":");

        Stopwatch.GetElapsedTime(since).TotalSeconds.ShouldBeGreaterThan(13);
    }
}
