using System.IO.Pipelines;
using System.Net;
using Microsoft.AspNetCore.Connections;
using OrderPlatform.Engines.Kafka.Protocol;
using OrderPlatform.Engines.Kafka.Requests;
using OrderPlatform.Engines.Kafka.Storage;

namespace OrderPlatform.Engines.Kafka.Server;

/// <summary>Serves a connection: one request after another, answered in their order, as the protocol demands.</summary>
internal sealed class KafkaConnection(Broker broker, DropLog drops, RequestBudget budget) : ConnectionHandler
{
    private const int ReadChunk = 64 * 1024;

    /// <summary>Each holds a block of 64 KB to receive into.</summary>
    private const int ConnectionsMax = 1000;

    private int _connections;

    public override async Task OnConnectedAsync(ConnectionContext connection)
    {
        var remote = $"{connection.RemoteEndPoint}";
        try
        {
            if (Interlocked.Increment(ref _connections) > ConnectionsMax)
            {
                throw new ConnectionDroppedException($"{ConnectionsMax} connections are open already");
            }
            await ServeAsync(connection);
        }
        catch (Exception e) when (e is ConnectionDroppedException or MalformedRequestException)
        {
            drops.Dropped(remote, e.Message);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // the client is gone: nothing to say to it, and nothing of it to keep
        }
        catch (Exception e)
        {
            drops.Dropped(remote, $"a fault of the broker: {e.GetType().Name}: {e.Message}");
        }
        finally
        {
            Interlocked.Decrement(ref _connections);
        }
    }

    private async Task ServeAsync(ConnectionContext connection)
    {
        using var frames = new FrameReader(connection.Transport.Input, budget, broker.Options);
        using var request = new Request(broker, $"{(connection.RemoteEndPoint as IPEndPoint)?.Address}", connection.ConnectionClosed);
        while (await frames.MoveNextAsync())
        {
            request.Reset();
            request.Reader.Reset(frames.Bytes, frames.Length);
            await AnswerAsync(request);
            if (!request.IsUnanswered)
            {
                await SendAsync(request, connection.Transport.Output);
            }
        }
    }

    private static async ValueTask AnswerAsync(Request request)
    {
        var (key, version, correlationId) = (request.Reader.Int16(), request.Reader.Int16(), request.Reader.Int32());
        var api = Api.Find(key) ?? throw new ConnectionDroppedException($"API {key} is none that this broker has");
        if (api.Answers(version))
        {
            request.Begin(api, version, correlationId);
            await api.AnswerAsync(request);
        }
        else if (api.Key == ApiKey.ApiVersions)
        {
            request.BeginAnswer(api, correlationId);
            ClusterApi.RefuseApiVersions(request);
        }
        else
        {
            // how to write an error in a version that is not known is not known either
            throw new ConnectionDroppedException($"{api.Key} version {version}, where {api.Min} to {api.Max} are announced");
        }
    }

    private static async ValueTask SendAsync(Request request, PipeWriter output)
    {
        var size = request.Writer.Length - sizeof(int) + request.Slices.Sum(s => s.Slice.Length);
        request.Writer.PatchInt32(0, size);
        var sent = 0;
        foreach (var (behind, slice) in request.Slices)
        {
            await output.WriteAsync(request.Writer.Written[sent..behind]);
            await SendAsync(slice, output);
            sent = behind;
        }
        await output.WriteAsync(request.Writer.Written[sent..]);
    }

    // chunk by chunk out of the file, as fast as the client takes it
    private static async ValueTask SendAsync(LogSlice slice, PipeWriter output)
    {
        for (var sent = 0; sent < slice.Length;)
        {
            var chunk = output.GetMemory(ReadChunk)[..Math.Min(ReadChunk, slice.Length - sent)];
            var read = slice.Segment.Read(chunk.Span, slice.Position + sent);
            if (read == 0)
            {
                throw new ConnectionDroppedException($"{slice.Segment.Path} is shorter than it was");
            }
            output.Advance(read);
            sent += read;
            if ((await output.FlushAsync()).IsCompleted)
            {
                throw new OperationCanceledException();
            }
        }
    }
}
