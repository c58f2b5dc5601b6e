using OrderPlatform.Engines.Kafka;

var words = args.Skip(1).Where(a => a.StartsWith("--", StringComparison.Ordinal)).ToDictionary(a => a, a => args.ElementAtOrDefault(Array.IndexOf(args, a) + 1) ?? "");
await KafkaServer.RunAsync(
    new KafkaOptions { Port = int.Parse(words.GetValueOrDefault("--port", "0")), DataFolder = words["--data"], AutoCreateTopics = words.ContainsKey("--auto-create-topics") },
    CancellationToken.None);
return 0;
