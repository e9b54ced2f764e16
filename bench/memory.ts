// Bench 6: resident memory of the one-process product on its embedded log while 10,000 calls are active and
// somebody watches. PostgreSQL's own processes are not counted.

import { setTimeout as pause } from 'node:timers/promises';

import { watch } from './frames.js';
import { openLoop } from './http-load.js';
import type { Row } from './report.js';
import type { Setting } from './setting.js';
import { openDoor } from './site.js';
import { twilioTraffic } from './traffic.js';

const calls = 10_000;
const rate = 1_500;

/** Two callbacks for each call, so that all of them ring; the most and the last that was seen. */
export async function measureMemory(setting: Setting): Promise<Row[]> {
  const site = setting.embeddedSite();
  const product = await setting.roles(site, 'ingest,processors,projections,gateway');
  const { target, apiKey } = await openDoor(site);
  let frames = 0;
  const client = await watch({ port: product.port, apiKey }, (text) => {
    if (text.startsWith('{"type":"event"')) frames += 1;
  });
  setting.onEnd(() => {
    client.close();
  });
  const begin = product.residentMb();
  let most = begin;
  const sampling = setInterval(() => {
    most = Math.max(most, product.residentMb());
  }, 200);
  // The first half of the steps of twice as many callbacks: every call begins and rings, none ends.
  const requests = twilioTraffic(target, 4 * calls).slice(0, 2 * calls);
  const bytes = requests.map((request) => request.bytes);
  await openLoop(product.port, bytes, { rate, onSend: () => undefined });
  for (let waited = 0; frames < bytes.length && waited < 200; waited += 1) await pause(50);
  if (frames < bytes.length) setting.note(`(6) only ${frames} of ${bytes.length} frames came`);
  await pause(1_000);
  clearInterval(sampling);
  const settled = product.residentMb();
  setting.note(`(6) ${begin} MB at rest, ${most} MB at most, ${settled} MB with ${calls} calls`);
  const row = (unit: string, ours: number, target: Row['target']): Row => ({
    ...{ bench: 6, what: `resident memory, one process, embedded, ${calls} active calls`, unit },
    ...{ ours, bare: null, target, rounds: { ours: [ours], bare: [] } },
  });
  return [row('MB', settled, { atMost: 250 }), row('MB at most', most, null)];
}
