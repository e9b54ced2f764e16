// Ingest, the rate limit: what Redis runs. Comes in: the buckets of one request. Goes out: whether all
// of them had room, and how much of each is used. The arithmetic is that of limit-bucket.ts, by Redis's clock.

import { createHash } from 'node:crypto';

import type { RedisScript } from '../runtime/redis.js';
import { burstTicks, ticksPerMs } from './limit-bucket.js';

const script = (lua: string): RedisScript => ({
  lua,
  sha: createHash('sha1').update(lua).digest('hex'),
});

// Nodes never compare clocks: `now` is the server's. Counting from 2023 keeps ticks far below 2^53. What is
// more than a burst ahead was written under another clock (a failover, a clock set back) and is cut.
const nowAndRead = `
local time = redis.call('TIME')
local now = ((time[1] - 1700000000) * 1000000 + time[2]) * ${ticksPerMs / 1000}
`;

/**
 * KEYS: the buckets. ARGV: a mode and a cost for each. `take` needs room, `charge` takes what there is (the
 * delivery has failed already), `give` puts back. Without room for every `take` nothing changes. The
 * answer: 1 or 0, then for each bucket the ticks until it is full. A bucket that is full is no key.
 */
export const takeScript = script(`${nowAndRead}
local burst = ${burstTicks}
local full = redis.call('MGET', unpack(KEYS))
local after = {}
local ok = 1
for i = 1, #KEYS do
  local mode = ARGV[2 * i - 1]
  full[i] = math.min(math.max(tonumber(full[i]) or now, now), now + burst)
  after[i] = full[i] + tonumber(ARGV[2 * i])
  if mode == 'take' then
    if after[i] > now + burst then ok = 0 end
  elseif mode == 'charge' then
    after[i] = math.min(after[i], now + burst)
  else
    after[i] = math.max(full[i] - tonumber(ARGV[2 * i]), now)
  end
end
local answer = { ok }
for i = 1, #KEYS do
  if ok == 1 then
    full[i] = after[i]
    if full[i] > now then
      local ttl = math.ceil((full[i] - now) / ${ticksPerMs})
      redis.call('SET', KEYS[i], string.format('%.0f', full[i]), 'PX', ttl)
    else
      redis.call('DEL', KEYS[i])
    end
  end
  answer[i + 1] = full[i] - now
end
return answer
`);

/**
 * KEYS: the sorted set of nodes. ARGV: this node, ms until it counts as gone, `stay` or `leave`. The
 * answer: how many nodes there are.
 */
export const announceScript = script(`${nowAndRead}
local ttl = tonumber(ARGV[2]) * ${ticksPerMs}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ttl)
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + ttl, '+inf')
if ARGV[3] == 'leave' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[1])
`);
