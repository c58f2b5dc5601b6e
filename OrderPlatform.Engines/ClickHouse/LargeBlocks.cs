using System.Buffers;
using Microsoft.AspNetCore.Connections;

namespace OrderPlatform.Engines.ClickHouse;

/// <summary>Gives Kestrel blocks of 64 KiB where it takes 4 by default: batches and results are large, and each block is a call to the socket.</summary>
internal sealed class LargeBlocks : MemoryPool<byte>, IMemoryPoolFactory<byte>
{
    private const int BlockBytes = 1 << 16;

    public override int MaxBufferSize => Shared.MaxBufferSize;

    public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => this;

    public override IMemoryOwner<byte> Rent(int minBufferSize = -1) => Shared.Rent(Math.Max(minBufferSize, BlockBytes));

    protected override void Dispose(bool disposing)
    {
        // the blocks are the shared pool's
    }
}
