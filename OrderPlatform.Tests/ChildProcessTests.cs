using OrderPlatform.Engines.Processes;

namespace OrderPlatform.Tests;

public sealed class ChildProcessTests
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task Stops_in_good_order_and_gives_the_exit_code()
    {
        await using var child = await StartAsync("trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done");

        (await child.StopAsync()).ShouldBe(7);
    }

    [Fact]
    public async Task A_child_that_ignores_its_signal_is_killed_when_the_bound_has_passed()
    {
        await using var child = await StartAsync("trap '' TERM; echo ready; while :; do sleep 0.05; done");

        (await child.StopAsync()).ShouldBe(128 + 9);
    }

    [Fact]
    public async Task A_stop_at_the_moment_of_the_childs_own_end_is_no_error()
    {
        for (var i = 0; i < 300; i++)
        {
            await using var child = await StartAsync("echo bye");

            (await child.StopAsync()).ShouldBeOneOf(0, 128 + 15);
        }
    }

    private static async Task<ChildProcess> StartAsync(string script)
    {
        var ready = new TaskCompletionSource();
        var child = ChildProcess.Start("child", new ChildCommand("sh", ["-c", script]) { StopBound = TimeSpan.FromSeconds(0.5) }, _ => ready.TrySetResult());
        await ready.Task.WaitAsync(Bound, TestContext.Current.CancellationToken);
        return child;
    }
}
