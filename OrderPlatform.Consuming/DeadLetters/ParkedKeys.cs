using System.Collections;

namespace OrderPlatform.Consuming.DeadLetters;

/// <summary>
/// Says of a key that it is certainly not parked, or that it may be; then the table is asked. 128 KB, however many keys are
/// parked; with 100,000 of them, every tenth key that is not is looked up in vain.
/// </summary>
internal sealed class ParkedKeys
{
    private readonly BitArray _hashes = new(1 << 20);

    /// <summary>Whether any key is parked.</summary>
    public bool Any { get; private set; }

    public void Add(string topic, string key)
    {
        _hashes[Place(topic, key)] = true;
        Any = true;
    }

    public bool MayHold(string topic, string key) => _hashes[Place(topic, key)];

    public void Clear()
    {
        _hashes.SetAll(false);
        Any = false;
    }

    private int Place(string topic, string key) => (int)((uint)HashCode.Combine(topic, key) % (uint)_hashes.Length);
}
