namespace OrderPlatform.Projections.Rankings;

/// <summary>
/// The scripts of a generation that nobody reads yet (docs/decisions/0012). KEYS[1] is its own state, of the form of the live one's.
/// Every change names the epoch of the rebuild's holder, so that one who was stopped and comes back changes nothing.
/// </summary>
internal static class ShadowScripts
{
    /// <summary>Nothing was done: another holder has taken over, or the shadow is gone.</summary>
    public const string Lost = "LOST";

    /// <summary>Nothing was done: the live rankings have gone on, they were held too long.</summary>
    public const string Behind = "BEHIND";

    /// <summary>ARGV[1]: generation, ARGV[2]: epoch. Makes the holder the one who writes, and gives the state.</summary>
    public const string Take =
        """
        if tonumber(redis.call('HGET', KEYS[1], 'epoch') or 0) > tonumber(ARGV[2]) then return {} end
        redis.call('HSET', KEYS[1], 'generation', ARGV[1], 'epoch', ARGV[2])
        return redis.call('HGETALL', KEYS[1])
        """;

    /// <summary>ARGV[1]: epoch, then fields and values in turn: records the plan, or that it is done and the offsets.</summary>
    public const string Mark =
        """
        if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'LOST' end
        redis.call('HSET', KEYS[1], unpack(ARGV, 2))
        return 'DONE'
        """;

    /// <summary>
    /// KEYS[2]: the plan, ARGV[1]: epoch, ARGV[2]: one of its parts. Runs the commands of that part. Their keys are not declared: only the
    /// holder knows them, and tens of thousands of locks cost more than the commands.
    /// </summary>
    public const string Run =
        """
        if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'LOST' end
        for _, command in ipairs(cjson.decode(redis.call('HGET', KEYS[2], ARGV[2]))) do redis.call(unpack(command)) end
        return 'DONE'
        """;

    /// <summary>KEYS: the live state, the shadow's and the hold; ARGV[1]: the shadow's generation. One HSET is the swap.</summary>
    public const string Swap =
        """
        local function hash(key)
          local fields, read = redis.call('HGETALL', key), {}
          for i = 1, #fields, 2 do read[fields[i]] = fields[i + 1] end
          return read
        end
        local live, shadow = hash(KEYS[1]), hash(KEYS[2])
        if live.generation == ARGV[1] then return 'DONE' end
        if shadow.generation ~= ARGV[1] or (shadow.plan or '') ~= '' then return 'LOST' end

        if redis.call('GET', KEYS[3]) ~= ARGV[1] then return 'BEHIND' end

        local change = {'HSET', KEYS[1], 'generation', ARGV[1], 'plan', ''}
        for field, value in pairs(live) do
          if string.sub(field, 1, 7) == 'offset:' then change[#change + 1], change[#change + 2] = field, shadow[field] or '0' end
        end
        for field, value in pairs(shadow) do
          if string.sub(field, 1, 7) == 'offset:' and string.sub(field, 8, 8) ~= '-' and not live[field] then
            change[#change + 1], change[#change + 2] = field, value
          end
        end
        redis.call(unpack(change))
        return 'DONE'
        """;

    /// <summary>
    /// KEYS[1]: a state; ARGV[1]: ids of a ranking beyond which only their number is taken, then windows. Gives nothing while a write is
    /// unfinished, else offsets by partition, orders and negative cents of all time, and all rankings as text.
    /// </summary>
    public const string Summarize =
        """
        local state = redis.call('HGETALL', KEYS[1])
        local offsets, generation, plan = {}, '', ''
        for i = 1, #state, 2 do
          if state[i] == 'generation' then generation = state[i + 1] end
          if state[i] == 'plan' then plan = state[i + 1] end
          if string.sub(state[i], 1, 7) == 'offset:' then offsets[#offsets + 1], offsets[#offsets + 2] = string.sub(state[i], 8), state[i + 1] end
        end
        if plan ~= '' then return {} end

        local lines, orders, cents = {}, 0, 0
        local function take(kind, window)
          local key = '{rankings}:' .. generation .. ':' .. kind .. ':' .. window
          local size = redis.call('ZCARD', key)
          lines[#lines + 1] = kind .. ' ' .. window .. ' ' .. string.format('%.0f', size)
          if size == 0 or size > tonumber(ARGV[1]) then return {} end
          local ranked, counted, counts = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES'), redis.call('HGETALL', key .. ':orders'), {}
          for i = 1, #counted, 2 do counts[counted[i]] = counted[i + 1] end
          for i = 1, #ranked, 2 do lines[#lines + 1] = ranked[i] .. ' ' .. string.format('%.0f', tonumber(ranked[i + 1])) .. ' ' .. (counts[ranked[i]] or '') end
          return ranked, counts
        end
        take('statuses', 'all')
        for i = 2, #ARGV do
          local currencies, counts = take('totals', ARGV[i])
          for c = 1, #currencies, 2 do
            if ARGV[i] == 'all' then orders, cents = orders + tonumber(counts[currencies[c]]), cents + tonumber(currencies[c + 1]) end
            take('products:' .. currencies[c], ARGV[i])
            take('customers:' .. currencies[c], ARGV[i])
          end
        end
        return {offsets, string.format('%.0f', orders), string.format('%.0f', cents), table.concat(lines, '\n')}
        """;
}
