namespace OrderPlatform.Engines.Getting;

/// <summary>Gets everything that a host of several engines needs, in one go.</summary>
public static class FirstStart
{
    /// <summary>Names all that is missing on this machine, else gets what is not in the cache yet; afterwards no network is needed.</summary>
    /// <returns>What to load as librdkafka, for <c>ORDERPLATFORM_LIBRDKAFKA</c>.</returns>
    /// <exception cref="EngineException">Something is missing (before anything was downloaded) or could not be had.</exception>
    public static async Task<string> GetAllAsync(IReadOnlyList<IEngine> engines, CancellationToken cancellation)
    {
        var cache = EngineCache.User;
        var librdkafka = Librdkafka.Package;
        var missing = engines.SelectMany(engine => engine.Missing()).Concat(librdkafka is null ? [] : cache.Missing(librdkafka)).Distinct().ToArray();
        if (missing is not [])
        {
            throw new EngineException(string.Join(Environment.NewLine, missing));
        }

        var toGet = engines.Select(engine => engine.Package).Append(librdkafka).OfType<EnginePackage>().Where(package => !cache.Has(package)).ToArray();
        if (toGet is not [])
        {
            GettingProgress.Console.Say($"First start: {string.Join(", ", toGet.Select(package => package.Title))} are fetched once, {toGet.Sum(package => package.PackedBytes) / 1_000_000} MB, into {cache.Root}.");
        }
        foreach (var engine in engines)
        {
            await engine.GetAsync(cancellation);
        }
        return await Librdkafka.GetAsync(cache, cancellation);
    }
}
