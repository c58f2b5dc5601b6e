namespace OrderPlatform.Engines.Kafka.Requests;

/// <summary>The protocol's numbers for the kinds of requests that this broker answers.</summary>
internal enum ApiKey : short
{
    Produce = 0,
    Fetch = 1,
    ListOffsets = 2,
    Metadata = 3,
    OffsetCommit = 8,
    OffsetFetch = 9,
    FindCoordinator = 10,
    JoinGroup = 11,
    Heartbeat = 12,
    LeaveGroup = 13,
    SyncGroup = 14,
    DescribeGroups = 15,
    ListGroups = 16,
    ApiVersions = 18,
    CreateTopics = 19,
    DeleteTopics = 20,
    InitProducerId = 22,
    DescribeConfigs = 32,
    DeleteGroups = 42,
    DescribeCluster = 60,
}

/// <summary>One kind of request: the versions that are answered, the first flexible one (KIP-482), and what answers it.</summary>
internal sealed record Api(ApiKey Key, short Min, short Max, short FlexibleFrom, Func<Request, ValueTask> AnswerAsync)
{
    /// <summary>
    /// All kinds. Oldest versions are the baseline of Apache Kafka 4.0 (KIP-896) or older ones where they cost nothing.
    /// Produce is announced from 0, because librdkafka before 2.9 takes it for the sign of compression; records in formats
    /// before magic 2 are refused by an error code.
    /// </summary>
    public static readonly IReadOnlyList<Api> All =
    [
        At(ApiKey.Produce, 0, 11, 9, RecordsApi.Produce),
        new(ApiKey.Fetch, 4, 17, 12, FetchApi.AnswerAsync),
        At(ApiKey.ListOffsets, 1, 10, 6, RecordsApi.ListOffsets),
        At(ApiKey.Metadata, 0, 12, 9, ClusterApi.Metadata),
        At(ApiKey.OffsetCommit, 2, 9, 8, OffsetsApi.Commit),
        At(ApiKey.OffsetFetch, 1, 9, 6, OffsetsApi.Fetch),
        At(ApiKey.FindCoordinator, 0, 6, 3, ClusterApi.FindCoordinator),
        new(ApiKey.JoinGroup, 0, 9, 6, MembershipApi.JoinAsync),
        At(ApiKey.Heartbeat, 0, 4, 4, MembershipApi.Heartbeat),
        At(ApiKey.LeaveGroup, 0, 5, 4, MembershipApi.Leave),
        new(ApiKey.SyncGroup, 0, 5, 4, MembershipApi.SyncAsync),
        At(ApiKey.DescribeGroups, 0, 5, 5, GroupsApi.Describe),
        At(ApiKey.ListGroups, 0, 5, 3, GroupsApi.List),
        At(ApiKey.ApiVersions, 0, 4, 3, ClusterApi.ApiVersions),
        At(ApiKey.CreateTopics, 2, 7, 5, TopicsApi.Create),
        At(ApiKey.DeleteTopics, 1, 6, 4, TopicsApi.Delete),
        At(ApiKey.InitProducerId, 0, 5, 2, ClusterApi.InitProducerId),
        At(ApiKey.DescribeConfigs, 1, 4, 4, TopicsApi.DescribeConfigs),
        At(ApiKey.DeleteGroups, 0, 2, 2, GroupsApi.Delete),
        At(ApiKey.DescribeCluster, 0, 1, 0, ClusterApi.DescribeCluster),
    ];

    private static readonly Dictionary<ApiKey, Api> ByKey = All.ToDictionary(a => a.Key);

    public static Api? Find(short key) => ByKey.GetValueOrDefault((ApiKey)key);

    public bool Answers(short version) => version >= Min && version <= Max;

    private static Api At(ApiKey key, short min, short max, short flexibleFrom, Action<Request> answer) => new(key, min, max, flexibleFrom, request =>
    {
        answer(request);
        return ValueTask.CompletedTask;
    });
}
