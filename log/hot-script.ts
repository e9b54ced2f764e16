// The hot tier of aggregate_state: what Redis runs (design 3.3). Comes in: rows of one partition with the
// marks they belong to. Goes out: rows and mark of one generation, always in one step.

import { createHash } from 'node:crypto';

import type { RedisScript } from '../runtime/redis.js';

const script = (lua: string): RedisScript => ({
  lua,
  sha: createHash('sha1').update(lua).digest('hex'),
});

// KEYS[1] is the head of a place: generation `g` and mark `m`. A row is the hash `<head>:<g>:<name>` with its
// state `s`, the mark `m` it was written at and, for an alias, the name `c` of the call it leads to. All of
// a place is in one slot, so that what is computed from the head may be touched. A head that was lost makes
// its rows unreachable, whatever was left of them: the next generation has another, random name.
const head = `
local head = redis.call('HMGET', KEYS[1], 'g', 'm')
local generation = head[1]
local mark = generation and tonumber(head[2])
`;

/** Rows from ARGV[at] on, four for each: name, state, what it leads to or '', ms until it is let go. */
const writeRows = (at: number, mark: string): string => `
for i = ${at}, #ARGV, 4 do
  local key = KEYS[1] .. ':' .. generation .. ':' .. ARGV[i]
  if ARGV[i + 2] == '' then
    redis.call('HSET', key, 's', ARGV[i + 1], 'm', ${mark})
  else
    redis.call('HSET', key, 's', ARGV[i + 1], 'm', ${mark}, 'c', ARGV[i + 2])
  end
  redis.call('PEXPIRE', key, ARGV[i + 3])
end
`;

/**
 * ARGV: names. The answer: false without a generation, else the mark, a state or false for each name, and
 * name and state of each call that an alias leads to. An alias whose call is missing is missing too.
 */
export const readScript = script(`${head}
if not mark then return false end
local rows = {}
local behind = {}
local prefix = KEYS[1] .. ':' .. generation .. ':'
for i = 1, #ARGV do
  local row = redis.call('HMGET', prefix .. ARGV[i], 's', 'c')
  rows[i] = row[1]
  if row[1] and row[2] then
    local call = redis.call('HGET', prefix .. row[2], 's')
    if call then
      behind[#behind + 1] = row[2]
      behind[#behind + 1] = call
    else
      rows[i] = false
    end
  end
end
return { mark, rows, behind }
`);

/**
 * A commit of aggregate_state from one mark to the next. ARGV: from, to, a new generation's name, ms until
 * the head is let go, rows. The answer: `written`; `past` when the mark is at `to` or beyond (a slow
 * projector); `begun` where there was no generation or a hole: then only these rows are known.
 */
export const applyScript = script(`${head}
local from = tonumber(ARGV[1])
local to = tonumber(ARGV[2])
if mark and mark >= to then return 'past' end
local outcome = 'written'
if mark ~= from then
  generation = ARGV[3]
  outcome = 'begun'
end
${writeRows(5, 'ARGV[2]')}
redis.call('HSET', KEYS[1], 'g', generation, 'm', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return outcome
`);

/**
 * Rows of a snapshot of PostgreSQL, read because they were missing. ARGV: the snapshot's mark, a new
 * generation's name, ms until the head is let go, rows. Rows newer than the mark do no harm: whoever
 * may use the mark has every later event in its overlay. Older ones would: `past`.
 */
export const fillScript = script(`${head}
local at = tonumber(ARGV[1])
if mark and mark > at then return 'past' end
local outcome = 'written'
if not mark then
  generation = ARGV[2]
  outcome = 'begun'
  redis.call('HSET', KEYS[1], 'g', generation, 'm', ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
${writeRows(4, 'ARGV[1]')}
return outcome
`);
