namespace OrderPlatform.Projections.Auditing.Replay;

/// <summary>Where an event comes in its stream.</summary>
internal enum Place
{
    /// <summary>Right behind the last one.</summary>
    Next,

    /// <summary>Once more, the same.</summary>
    Repeated,

    /// <summary>Once more, with another content.</summary>
    Different,

    /// <summary>Behind one that must follow it.</summary>
    Late,

    /// <summary>Before one that must precede it.</summary>
    Ahead,
}

/// <summary>The events of every stream, by sequence: whether they are there, in which order they came, and a hash of each. Some 100 bytes a stream and 8 an event.</summary>
internal sealed class Streams
{
    private readonly Dictionary<UInt128, ulong[]> _hashes = [];

    // rare, so that these may be kept by name
    private readonly Dictionary<UInt128, string> _withGaps = [];

    /// <summary>Adds the next event that was read.</summary>
    public Place Add(string stream, int sequence, ulong hash)
    {
        var name = Digest.NameOf(stream);
        var known = _hashes.GetValueOrDefault(name) ?? [];
        if (sequence <= known.Length && known[sequence - 1] != 0)
        {
            return known[sequence - 1] == hash ? Place.Repeated : Place.Different;
        }
        var place = sequence <= known.Length ? Place.Late : sequence == known.Length + 1 ? Place.Next : Place.Ahead;
        if (place == Place.Ahead)
        {
            _withGaps[name] = stream;
        }
        if (sequence > known.Length)
        {
            Array.Resize(ref known, sequence);
            _hashes[name] = known;
        }
        known[sequence - 1] = hash;
        return place;
    }

    /// <summary>The hash of an event; 0 when it is not there.</summary>
    public ulong Find(string stream, int sequence) => _hashes.TryGetValue(Digest.NameOf(stream), out var known) && sequence <= known.Length ? known[sequence - 1] : 0;

    /// <summary>The sequence of a stream's last event; 0 without one.</summary>
    public int LastOf(string stream) => _hashes.TryGetValue(Digest.NameOf(stream), out var known) ? known.Length : 0;

    /// <summary>Forgets an event. What is left when everything was looked for is <see cref="Left"/>.</summary>
    public void Remove(string stream, int sequence) => _hashes[Digest.NameOf(stream)][sequence - 1] = 0;

    /// <summary>Events that were not removed.</summary>
    public long Left => _hashes.Values.Sum(hashes => (long)hashes.Count(hash => hash != 0));

    /// <summary>Events that are missing before others of their stream.</summary>
    public IEnumerable<(string Stream, int Sequence)> Gaps() =>
        from stream in _withGaps
        from sequence in Enumerable.Range(1, _hashes[stream.Key].Length)
        where _hashes[stream.Key][sequence - 1] == 0
        select (stream.Value, sequence);
}
