// Fuzzing: content whose values are not what a provider sends, in a body that is still JSON or a form. A body
// and chance come in, another body goes out.

import type { Random } from '../../../cli/simulator/random.js';

const oddValues: readonly (() => unknown)[] = [
  ...[null, true, false, 0, -1, -0, 1e308, 5e-324, 2 ** 53, -(2 ** 60), 1.5, '', ' '],
  ...['\0', '\ud800', '+15555550142', '__proto__', 'a@example.com', '9'.repeat(40), '1e400'],
  ...['2026-02-30T25:61:61Z', '0000-01-01T00:00:00Z', '9999-12-31T23:59:59.999999999Z', 'NaN'],
  ...['2026-01-01T00:00:00+99:99', 'x'.repeat(2000), '-', '0x10', '٣٤', '１２３'],
].map((value) => () => value);
const oddObjects: readonly (() => unknown)[] = [
  () => [],
  () => ({}),
  () => [[[[]]]],
  () => ({ id: { id: { id: 1 } } }),
  () => JSON.parse('{"__proto__":{"id":"x"},"constructor":1,"toString":2}') as unknown,
  () => Array.from({ length: 300 }, (_, n) => n),
  () => Array.from({ length: 50 }, () => ({ id: 'same' })),
];
const odd = [...oddValues, ...oddObjects];

const oddValue = (random: Random): unknown => odd[random.between(0, odd.length - 1)]?.();

type Holder = Record<string, unknown>;

/** A place in a JSON value, found by walking down; null where there is none. */
function somePlace(value: unknown, random: Random): { holder: Holder; name: string } | null {
  let found: { holder: Holder; name: string } | null = null;
  let holder = value;
  for (let depth = 0; depth < 8; depth += 1) {
    if (typeof holder !== 'object' || holder === null) return found;
    const names = Object.keys(holder);
    const name = names[random.between(0, Math.max(0, names.length - 1))];
    if (name === undefined) return found;
    found = { holder: holder as Holder, name };
    if (random.chance(0.3)) return found;
    holder = (holder as Holder)[name];
  }
  return found;
}

function oddJson(value: unknown, random: Random): unknown {
  const place = somePlace(value, random);
  if (place === null) return oddValue(random);
  const { holder, name } = place;
  if (random.chance(0.15)) Reflect.deleteProperty(holder, name);
  else holder[name] = oddValue(random);
  return value;
}

function oddForm(text: string, random: Random): string {
  const pairs = text.split('&');
  const at = random.between(0, Math.max(0, pairs.length - 1));
  const name = (pairs[at] ?? '').split('=', 1)[0] ?? '';
  const value = oddValue(random);
  const written = typeof value === 'string' ? value : JSON.stringify(value);
  // A lone surrogate cannot be written in a form.
  const pair = `${name}=${encodeURIComponent(Buffer.from(written).toString())}`;
  if (random.chance(0.2)) pairs.splice(at, 1);
  else if (random.chance(0.2)) pairs.push(pair);
  else pairs[at] = pair;
  return pairs.join('&');
}

/** The content with one of its values replaced, removed or repeated. */
export function withOddValue(body: Buffer, random: Random): Buffer {
  const text = body.toString('utf8');
  try {
    return Buffer.from(JSON.stringify(oddJson(JSON.parse(text), random)));
  } catch {
    return Buffer.from(oddForm(text, random));
  }
}
