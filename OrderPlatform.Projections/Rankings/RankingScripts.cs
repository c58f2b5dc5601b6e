namespace OrderPlatform.Projections.Rankings;

/// <summary>
/// The scripts that change the rankings. A script runs alone, but on Garnet a kill -9 can keep its first commands and lose the rest.
/// So a write keeps its plan first: every command that it is going to run, with absolute values. The last of them clears the plan
/// and moves the offsets, in one HSET. A plan that is still there is run again before anything else: it changes nothing that it
/// has changed already (docs/decisions/0006-redis-write-ahead.md). KEYS[1] is the state; the other keys are those that are touched.
/// </summary>
internal static class RankingScripts
{
    /// <summary>Nothing was done: the store is not as this consumer left it.</summary>
    public const string Lost = "LOST";

    /// <summary>Nothing was done: a rebuild is about to take the place of these rankings.</summary>
    public const string Held = "HELD";

    /// <summary>Nothing was done: a write that was cut off has to be finished first.</summary>
    public const string Unfinished = "UNFINISHED";

    /// <summary>
    /// ARGV[1]: name of a new generation, for a store that has none. Gives the state's fields and values. On Garnet a FLUSHALL can come
    /// between two commands of a script: what the later ones left is offsets without a generation, whose data are gone.
    /// </summary>
    public const string Resume =
        """
        if not redis.call('HGET', KEYS[1], 'generation') then redis.call('DEL', KEYS[1]) end
        local plan = redis.call('HGET', KEYS[1], 'plan')
        if plan and plan ~= '' then
          for _, command in ipairs(cjson.decode(plan)) do redis.call(unpack(command)) end
        end
        redis.call('HSETNX', KEYS[1], 'generation', ARGV[1])
        return redis.call('HGETALL', KEYS[1])
        """;

    /// <summary>ARGV[1]: a <see cref="RankingStore.Batch"/> as JSON. A batch that is in already is left alone.</summary>
    public const string Write =
        """
        local state, batch = KEYS[1], cjson.decode(ARGV[1])
        if redis.call('HGET', state, 'generation') ~= batch.generation or (redis.call('HGET', state, 'plan') or '') ~= '' then return 'LOST' end
        if redis.call('EXISTS', '{rankings}:hold') == 1 then return 'HELD' end

        local expected, done, commit = true, true, {'HSET', state, 'plan', ''}
        for partition, offset in pairs(batch.offsets) do
          local at = redis.call('HGET', state, 'offset:' .. partition) or '0'
          expected, done = expected and at == offset.from, done and at == offset.to
          commit[#commit + 1], commit[#commit + 2] = 'offset:' .. partition, offset.to
        end
        if done then return 'DONE' end
        if not expected then return 'LOST' end

        local plan = {}
        local function rank(ranking, first, last)
          local orders = ranking.key .. ':orders'
          local scores = redis.call('ZMSCORE', ranking.key, unpack(ranking.ids, first, last))
          local counts = redis.call('HMGET', orders, unpack(ranking.ids, first, last))
          local revenue, count = {'ZADD', ranking.key}, {'HSET', orders}
          local unranked, uncounted = {'ZREM', ranking.key}, {'HDEL', orders}
          for i = first, last do
            local id, n = ranking.ids[i], i - first + 1
            local total = tonumber(counts[n] or 0) + ranking.orders[i]
            if total > 0 then
              revenue[#revenue + 1], revenue[#revenue + 2] = string.format('%.0f', tonumber(scores[n] or 0) - ranking.cents[i]), id
              count[#count + 1], count[#count + 2] = id, string.format('%.0f', total)
            else
              unranked[#unranked + 1], uncounted[#uncounted + 1] = id, id
            end
          end
          for _, command in ipairs({revenue, count, unranked, uncounted}) do
            if #command > 2 then plan[#plan + 1] = command end
          end
        end
        for _, ranking in ipairs(batch.rankings) do
          for first = 1, #ranking.ids, 1000 do rank(ranking, first, math.min(first + 999, #ranking.ids)) end
          if ranking.expiresAt then
            plan[#plan + 1] = {'EXPIREAT', ranking.key, ranking.expiresAt}
            plan[#plan + 1] = {'EXPIREAT', ranking.key .. ':orders', ranking.expiresAt}
          end
        end
        for key, entry in pairs(batch.orders) do plan[#plan + 1] = {'SET', key, entry} end
        plan[#plan + 1] = commit

        redis.call('HSET', state, 'plan', cjson.encode(plan))
        for _, command in ipairs(plan) do redis.call(unpack(command)) end
        return 'WRITTEN'
        """;

    /// <summary>ARGV[1]: generation, ARGV[2]: Unix milliseconds, then partition and offset in turn.</summary>
    public const string CaughtUp =
        """
        if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then return 'LOST' end
        local untils = {'HSET', KEYS[1]}
        for i = 3, #ARGV, 2 do
          if (redis.call('HGET', KEYS[1], 'offset:' .. ARGV[i]) or '0') ~= ARGV[i + 1] then return 'LOST' end
          untils[#untils + 1], untils[#untils + 2] = 'until:' .. ARGV[i], ARGV[2]
        end
        redis.call(unpack(untils))
        return 'WRITTEN'
        """;

    /// <summary>ARGV: partition and offset in turn. An offset that is further goes back to it.</summary>
    public const string Reset =
        """
        if (redis.call('HGET', KEYS[1], 'plan') or '') ~= '' then return 'UNFINISHED' end
        local back = {'HSET', KEYS[1], 'plan', ''}
        for i = 1, #ARGV, 2 do
          local field = 'offset:' .. ARGV[i]
          if tonumber(redis.call('HGET', KEYS[1], field) or '0') > tonumber(ARGV[i + 1]) then back[#back + 1], back[#back + 2] = field, ARGV[i + 1] end
        end
        redis.call(unpack(back))
        return 'DONE'
        """;
}
