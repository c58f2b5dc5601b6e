namespace OrderPlatform.Tests.Simulation;

/// <summary>What goes wrong around the platform, without its fault.</summary>
[Flags]
internal enum Faults
{
    None = 0,

    /// <summary>An actor is killed between two of its steps.</summary>
    Crash = 1 << 0,

    /// <summary>PostgreSQL is killed: open transactions are gone, and the last asynchronous commits may be.</summary>
    DatabaseKilled = 1 << 1,

    /// <summary>Kafka takes a record, and its acknowledgement never comes.</summary>
    AcknowledgementLost = 1 << 2,

    /// <summary>What a killed producer had sent arrives after it.</summary>
    ArrivesLate = 1 << 3,

    /// <summary>Records come a second time, with their old neighbours.</summary>
    Doubled = 1 << 4,

    /// <summary>Time passes while nothing is done: leases and claims run out, timers are late.</summary>
    ClockJump = 1 << 5,

    /// <summary>A client does not wait for its answer, and asks again.</summary>
    AnswerLost = 1 << 6,

    /// <summary>The payment gateway does something, and its answer never comes.</summary>
    GatewaySilent = 1 << 7,

    /// <summary>A request reaches the payment gateway long after its caller has given up.</summary>
    GatewayLate = 1 << 8,

    /// <summary>The payment gateway answers twice.</summary>
    GatewayTwice = 1 << 9,

    /// <summary>Redis is killed in the middle of a script, and keeps the beginning of what it wrote.</summary>
    RedisKilled = 1 << 10,

    /// <summary>Redis loses everything.</summary>
    RedisEmptied = 1 << 11,

    /// <summary>ClickHouse is killed in the middle of an insert: the table has it, the view does not, or the token alone is kept.</summary>
    ClickHouseKilled = 1 << 12,

    /// <summary>An actor stops for a while where it stands, with the rows that it has locked, and goes on as if nothing had been.</summary>
    Paused = 1 << 13,

    All = (1 << 14) - 1,
}

/// <summary>A mistake that could have been made in the platform, made on purpose in the simulation.</summary>
internal enum Bug
{
    /// <summary>The platform as it is.</summary>
    None,

    /// <summary>No mistake yet: inventory books every OrderShipped that it is given, without looking at its state, and trusts that the inbox gives it once.</summary>
    InboxTrusted,

    /// <summary>The same, and there is no inbox.</summary>
    InboxTrustedAndOmitted,

    /// <summary>There is no inbox, and the participants are as they are: their states have an answer to a repeat (InboxCleanup relies on it).</summary>
    InboxOmitted,

    /// <summary>A consumer commits its progress before the effects.</summary>
    ProgressBeforeEffect,

    /// <summary>The transformer commits its offsets before its facts are acknowledged.</summary>
    OffsetsBeforeAcknowledgement,

    /// <summary>The relay moves its checkpoint before Kafka has acknowledged.</summary>
    CheckpointBeforeAcknowledgement,

    /// <summary>The relay takes the last position that it has seen for its checkpoint: what commits late is skipped.</summary>
    CheckpointByPosition,

    /// <summary>The relay reads windows of transaction ids up to the oldest one that is open (decision 8, the first design).</summary>
    WindowsByHorizon,

    /// <summary>A relay that has lost the lease can still move the checkpoint.</summary>
    LeaseWithoutEpoch,

    /// <summary>Payments do not give back what a cancelled order paid.</summary>
    RefundOmitted,

    /// <summary>Inventory does not give back what a cancelled order holds.</summary>
    ReleaseOmitted,

    /// <summary>The gateway gets a new key each time it is asked.</summary>
    KeyForEachAttempt,

    /// <summary>The sales facts are inserted without a recorded plan.</summary>
    InsertWithoutPlan,

    /// <summary>The script that writes the rankings keeps no plan.</summary>
    ScriptWithoutPlan,

    /// <summary>The order view, the rankings and the facts take what they are given, repeats included.</summary>
    RepeatsTaken,

    /// <summary>The answer to an idempotency key is recorded in a transaction of its own, after the work.</summary>
    AnswerRecordedApart,

    /// <summary>A batch of orders looks for a key's answer before it has the key's lock.</summary>
    AnswerLookedUpBeforeItsLock,

    /// <summary>Callers are answered before their batch is committed.</summary>
    BatchAnsweredBeforeItsCommit,
}
