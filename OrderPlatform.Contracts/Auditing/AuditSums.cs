namespace OrderPlatform.Contracts.Auditing;

/// <summary>Count, money and hash of some rows.</summary>
/// <param name="Rows">How many.</param>
/// <param name="Amount">Their money.</param>
/// <param name="Hash">The sum of the rows' hashes modulo 2^64, in hexadecimal: equal for equal rows, in whatever order they were read.</param>
public sealed record AuditSum(long Rows, decimal Amount, string Hash);

/// <summary>Both sides of a comparison, of one currency and status.</summary>
/// <param name="Currency">ISO 4217 code.</param>
/// <param name="Status">The status of the orders; for facts, the status that they lead to.</param>
/// <param name="Expected">By the source.</param>
/// <param name="Found">In the store.</param>
public sealed record AuditGroup(string Currency, string Status, AuditSum Expected, AuditSum Found);

/// <summary>Both sides of a comparison, of one day that differs.</summary>
/// <param name="Day">UTC date of the orders.</param>
/// <param name="Currency">ISO 4217 code.</param>
/// <param name="Expected">By the source.</param>
/// <param name="Found">In the store.</param>
public sealed record AuditDay(string Day, string Currency, AuditSum Expected, AuditSum Found);

/// <summary>What an audit has added up.</summary>
/// <param name="Groups">By currency and status.</param>
/// <param name="Days">UTC dates that were compared.</param>
/// <param name="DifferentDays">Those of them that differ, the first 100.</param>
public sealed record AuditSums(IReadOnlyList<AuditGroup> Groups, int Days, IReadOnlyList<AuditDay> DifferentDays);
