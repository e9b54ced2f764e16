// Bench 7: what verification costs, provider by provider, in a process that does nothing else.

import type { Row } from './report.js';
import type { Setting } from './setting.js';

interface Case {
  readonly name: string;
  readonly bytes: number;
  readonly us: number;
  readonly usAll: readonly number[];
  readonly bareUs: number | null;
  readonly bareUsAll: readonly number[];
}

const mostUs = 15;
/** Ed25519 is judged beside node:crypto alone. */
const mostTimes = 1.1;

/** A row for each sort of request of each provider. */
export async function measureVerification(setting: Setting): Promise<Row[]> {
  const part = setting.part('verification', { rounds: setting.size.rounds * 7 });
  const cases = (await part.next())['cases'] as readonly Case[];
  await part.stop();
  setting.note(`(7) ${cases.length} sorts of requests`);
  return cases.map(({ name, bytes, us, bareUs, usAll, bareUsAll }) => ({
    ...{ bench: 7, what: `verification: ${name}, ${bytes} bytes`, unit: 'CPU µs' },
    ...{ ours: us, bare: bareUs, target: { atMost: bareUs === null ? mostUs : mostTimes } },
    rounds: { ours: usAll, bare: bareUsAll },
  }));
}
