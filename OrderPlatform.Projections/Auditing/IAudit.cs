namespace OrderPlatform.Projections.Auditing;

/// <summary>Compares one store with the source it derives from, while both are written to.</summary>
internal interface IAudit
{
    /// <summary>As in <see cref="Contracts.Auditing.AuditNames"/>.</summary>
    string Name { get; }

    /// <summary>Compares everything, and names what differs.</summary>
    /// <exception cref="CannotBeAuditedException">It cannot be compared at the moment.</exception>
    /// <exception cref="Exception">A store is away.</exception>
    Task RunAsync(Findings findings, CancellationToken cancellation);

    /// <summary>Puts right exactly the rows that are named, while the store is written to. Can be repeated.</summary>
    /// <returns>What was done with each, in their order.</returns>
    Task<IReadOnlyList<string>> RepairAsync(IReadOnlyList<Violation> violations, CancellationToken cancellation);
}
