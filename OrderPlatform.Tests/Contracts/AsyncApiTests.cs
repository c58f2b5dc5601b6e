using System.Reflection;
using OrderPlatform.Contracts;
using OrderPlatform.Contracts.Events;
using YamlDotNet.RepresentationModel;

namespace OrderPlatform.Tests.Contracts;

public sealed class AsyncApiTests
{
    private const string File = "docs/asyncapi.yaml";
    private const string TableChange = "TableChange"; // Debezium's envelope: no event of the platform's
    private static readonly YamlMappingNode Document = Read();

    [Fact]
    public void Has_every_topic_and_says_that_it_is_published()
    {
        var channels = Node("channels");

        Keys(channels).ShouldBe(Topics.Sources.Concat(Topics.Tables), ignoreOrder: true);
        channels.Children.ShouldAllBe(channel => Text(channel.Value, "address") == channel.Key.ToString());
        Node("operations").Children.Values.Select(operation => Text(operation, "channel", "$ref")).ShouldBe(Topics.Sources.Concat(Topics.Tables).Select(topic => "#/channels/" + topic), ignoreOrder: true);
    }

    [Fact]
    public void Has_every_type_of_event_in_its_topic_with_its_schema()
    {
        foreach (var topic in Topics.Sources)
        {
            Keys(Node("channels", topic, "messages")).ShouldBe(EventTypes.All.Where(type => type.Topic == topic).Select(type => type.Name), ignoreOrder: true, topic);
        }
        foreach (var topic in Topics.Tables)
        {
            Keys(Node("channels", topic, "messages")).ShouldBe([TableChange], topic);
        }
        Keys(Node("components", "messages")).ShouldBe(EventTypes.All.Select(type => type.Name).Append(TableChange), ignoreOrder: true);
        foreach (var type in EventTypes.All)
        {
            Text(Document, "channels", type.Topic, "messages", type.Name, "$ref").ShouldBe($"#/components/messages/{type.Name}");
            var schema = Text(Document, "components", "messages", type.Name, "payload", "$ref");
            schema.ShouldBe($"../OrderPlatform.Contracts/schemas/{type.Name}.json");
            System.IO.File.Exists(Path.Combine(CommittedFile.PathOf("docs"), schema)).ShouldBeTrue(schema);
        }
    }

    [Fact]
    public void Has_every_header_of_the_envelope()
    {
        var headers = typeof(Envelope).GetFields(BindingFlags.Public | BindingFlags.Static).Where(field => field.IsLiteral).Select(field => (string)field.GetRawConstantValue()!).ToList();
        var described = Node("components", "messageTraits", "envelope", "headers");

        Keys((YamlMappingNode)described["properties"]).ShouldBe(headers, ignoreOrder: true);
        ((YamlSequenceNode)described["required"]).Select(name => name.ToString()).ShouldBe(headers.Except([Envelope.TraceParent, Envelope.RedrivenFor, Envelope.DeadLetter]), ignoreOrder: true);
    }

    private static YamlMappingNode Read()
    {
        var yaml = new YamlStream();
        using var reader = new StreamReader(CommittedFile.PathOf(File));
        yaml.Load(reader);
        return (YamlMappingNode)yaml.Documents[0].RootNode;
    }

    private static YamlMappingNode Node(params string[] path) => (YamlMappingNode)path.Aggregate((YamlNode)Document, (node, name) => node[name]);

    private static string Text(YamlNode node, params string[] path) => path.Aggregate(node, (at, name) => at[name]).ToString();

    private static IEnumerable<string> Keys(YamlMappingNode node) => node.Children.Keys.Select(key => key.ToString());
}
