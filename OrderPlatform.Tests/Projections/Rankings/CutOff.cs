using System.Reflection;
using OrderPlatform.Projections.Rankings;
using StackExchange.Redis;

namespace OrderPlatform.Tests.Projections.Rankings;

/// <summary>A connection on which the write script stops after some commands of its plan, as if the server had been killed there.</summary>
public static class CutOff
{
    private const string Whole = "for _, command in ipairs(plan) do redis.call(unpack(command)) end\nreturn 'WRITTEN'";

    public static IConnectionMultiplexer After(int commands, IConnectionMultiplexer redis)
    {
        RankingScripts.Write.ShouldEndWith(Whole);
        var cut = RankingScripts.Write.Replace(Whole, $"for i = 1, math.min({commands}, #plan) do redis.call(unpack(plan[i])) end", StringComparison.Ordinal);
        var database = Proxy<IDatabase>.Of(redis.GetDatabase(), (_, arguments) =>
        {
            if (arguments is [RankingScripts.Write, ..])
            {
                arguments[0] = cut;
            }
            return null;
        });
        return Proxy<IConnectionMultiplexer>.Of(redis, (method, _) => method.Name == nameof(IConnectionMultiplexer.GetDatabase) ? database : null);
    }

    /// <summary>Passes calls on, unless <c>before</c> answers them. Public, since the runtime derives from it.</summary>
    public class Proxy<T> : DispatchProxy
        where T : class
    {
        private T _target = null!;
        private Func<MethodInfo, object?[], object?> _before = null!;

        public static T Of(T target, Func<MethodInfo, object?[], object?> before)
        {
            var proxy = Create<T, Proxy<T>>();
            var own = (Proxy<T>)(object)proxy;
            (own._target, own._before) = (target, before);
            return proxy;
        }

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => _before(targetMethod!, args!) ?? targetMethod!.Invoke(_target, args);
    }
}
