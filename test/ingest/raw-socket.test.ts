// The webhook route on a raw socket: hostile and broken requests with real signatures. Each gets what the table
// says, appends what the table says, and leaves the process as it was.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { RawClient } from '../runtime/raw-client.js';
import { ambiguous, bodies, honest, pipelined } from './framing-cases.js';
import { headerLines, noHttp, requestLines } from './head-cases.js';
import { form, whole, type RawCase } from './raw-requests.js';
import { completedCall, deliver, startStation, twilioForm, type Station } from './station.js';

let station: Station;

beforeAll(async () => {
  station = await startStation();
});
afterAll(() => station.stop());

const statusLine = /HTTP\/1\.1 (\d{3}) /g;

const statusesIn = (text: string): string[] =>
  [...text.matchAll(statusLine)].map((match) => match[1] ?? '');

let others = 0;

/**
 * Two deliveries of somebody else, one after the other: by then the server has read what was sent before
 * and answered it, and our end has been told.
 */
async function meanwhile(): Promise<void> {
  for (let n = 0; n < 2; n += 1) {
    const answer = await deliver(station, twilioForm(completedCall(900_000 + ++others)));
    expect(answer.status).toBe(204);
  }
}

async function play({ send, outcome }: RawCase): Promise<string> {
  const client = await RawClient.open(station.port);
  const sent = send();
  let answers = 0;
  for (const part of typeof sent === 'string' ? [sent] : sent) {
    if (part === '<answered>') await client.untilCount(statusLine, ++answers);
    else client.write(part);
    if (part.length < 2) await new Promise(setImmediate);
  }
  if (outcome.endsWith('closed')) await client.untilClosed();
  else if (outcome !== 'waits') await client.untilCount(statusLine, outcome.split(' ').length);
  await meanwhile();
  const statuses = statusesIn(client.received);
  const end = client.isClosed ? ['closed'] : statuses.length === 0 ? ['waits'] : [];
  client.abort();
  return [...statuses, ...end].join(' ');
}

describe.each([
  ['an honest request', honest],
  ['a message that could be read in two ways', ambiguous],
  ['a body', bodies],
  ['pipelined requests', pipelined],
  ['a request line', requestLines],
  ['header lines', headerLines],
  ['no HTTP/1.1', noHttp],
])('%s', (_group, cases) => {
  test.each(cases)('$name: $outcome', async (row) => {
    const before = station.facts().length - others;
    const outcome = await play(row);
    const kept = station.facts().length - others - before;
    expect({ outcome, kept }).toEqual({ outcome: row.outcome, kept: row.kept });
  });
});

describe('a half-closed connection', () => {
  test('that ends in the middle of a head or a body leaves nothing behind', async () => {
    const before = station.facts().length - others;
    for (const cut of [30, 200, 400]) {
      const client = await RawClient.open(station.port);
      client.write(whole(form()).slice(0, cut));
      client.socket.end();
      expect(await client.untilClosed()).toBe('');
    }
    await meanwhile();
    expect(station.facts().length - others).toBe(before);
  });

  test('that ends behind a whole request keeps the delivery or not, and never answers 2xx for nothing', async () => {
    const before = station.facts().length - others;
    const client = await RawClient.open(station.port);
    client.write(whole(form()));
    client.socket.end();
    const statuses = statusesIn(await client.untilClosed());
    await meanwhile();
    const kept = station.facts().length - others - before;
    expect(kept).toBeGreaterThanOrEqual(statuses.length);
  });
});

test('many connections that are reset at any byte of a request leave the station as it was', async () => {
  const text = whole(form());
  const before = station.facts().length - others;
  let wholes = 0;
  for (let cut = 0; cut <= text.length; cut += 7) {
    const client = await RawClient.open(station.port);
    client.write(text.slice(0, cut));
    if (cut === text.length) wholes += 1;
    await new Promise(setImmediate);
    client.abort();
  }
  await meanwhile();
  expect(station.facts().length - others - before).toBeLessThanOrEqual(wholes);
});
