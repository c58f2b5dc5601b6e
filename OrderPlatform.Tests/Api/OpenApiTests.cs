using System.Net;
using System.Text.Json.Nodes;

namespace OrderPlatform.Tests.Api;

public sealed class OpenApiTests(PlatformFixture platform)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_committed_document_is_the_one_that_is_served()
    {
        using var stranger = await StrangerAsync();

        await CommittedFile.ShouldBeAsync("docs/openapi.json", await stranger.GetStringAsync("/openapi/v1.json", Cancellation));
    }

    [Fact]
    public async Task Every_operation_says_what_it_does_who_may_and_how_it_refuses()
    {
        using var stranger = await StrangerAsync();
        var document = JsonNode.Parse(await stranger.GetStringAsync("/openapi/v1.json", Cancellation))!;

        foreach (var (path, methods) in document["paths"]!.AsObject())
        {
            foreach (var (method, operation) in methods!.AsObject())
            {
                var name = $"{method} {path}";
                ((string?)operation!["summary"]).ShouldNotBeNullOrWhiteSpace(name);
                operation["security"]![0]!["ApiKey"].ShouldNotBeNull(name);
                var answers = operation["responses"]!.AsObject().Select(answer => answer.Key).ToList();
                ((string[])["401", "403", "429"]).ShouldBeSubsetOf(answers, name);
                operation["responses"]!.AsObject().First(answer => answer.Key is "200" or "201" or "202").Value!["content"].ShouldNotBeNull(name);
                foreach (var parameter in operation["parameters"]?.AsArray() ?? [])
                {
                    ((string?)parameter!["description"]).ShouldNotBeNullOrWhiteSpace($"{name}: {parameter["name"]}");
                }
                if (method == "post")
                {
                    operation["parameters"]!.AsArray().ShouldContain(parameter => parameter!["name"]!.ToString() == "Idempotency-Key", name);
                }
            }
        }
    }

    [Fact]
    public async Task A_stranger_finds_the_documentation()
    {
        using var stranger = await StrangerAsync();

        var links = JsonNode.Parse(await stranger.GetStringAsync("/", Cancellation))!;

        foreach (var link in (string[])["docs", "openapi", "health"])
        {
            using var response = await stranger.GetAsync((string)links[link]!, Cancellation);
            response.StatusCode.ShouldBe(HttpStatusCode.OK);
        }
    }

    private async Task<HttpClient> StrangerAsync() => new(new SocketsHttpHandler()) { BaseAddress = (await platform.ApiAsync()).BaseAddress };
}
