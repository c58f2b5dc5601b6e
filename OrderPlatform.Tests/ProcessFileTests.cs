using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Tests;

public sealed class ProcessFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Names_the_process_that_runs_and_nobody_once_it_has_ended()
    {
        var file = new ProcessFile(_folder["engine.pid"]);
        (await file.UntilGoneAsync(TimeSpan.Zero, Cancellation)).ShouldBeNull();
        await using var child = ChildProcess.Start("child", new ChildCommand("sleep", ["60"]), _ => { });
        file.Write(child.Id);

        (await file.UntilGoneAsync(TimeSpan.FromMilliseconds(100), Cancellation)).ShouldBe(child.Id);
        await child.KillAsync();
        (await file.UntilGoneAsync(TimeSpan.FromSeconds(5), Cancellation)).ShouldBeNull();
    }

    [Theory]
    [InlineData("1 0")] // pid 1 runs, but was not started then: the number was given again
    [InlineData("not a pid")]
    [InlineData("")]
    public async Task Another_process_with_the_same_pid_or_a_torn_file_is_nobody(string content)
    {
        await File.WriteAllTextAsync(_folder["engine.pid"], content, Cancellation);

        (await new ProcessFile(_folder["engine.pid"]).UntilGoneAsync(TimeSpan.Zero, Cancellation)).ShouldBeNull();
    }
}
