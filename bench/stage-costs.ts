// Bench 11: where the time of a delivery goes inside ingest, step by step, in a process that does nothing
// else. No network, no log: what bench 1 costs beside these is the HTTP server, kafkajs and the kernel.

import type { Row } from './report.js';
import type { Setting } from './setting.js';

interface Step {
  readonly name: string;
  readonly us: number;
}

/** A row for each step of the pipeline, and their sum. */
export async function measureStages(setting: Setting): Promise<Row[]> {
  const part = setting.part('stages', { batches: setting.size.deliveries / 20 });
  const steps = (await part.next())['steps'] as readonly Step[];
  await part.stop();
  const sum = steps.reduce((total, { us }) => total + us, 0);
  return [...steps, { name: 'all steps', us: sum }].map(({ name, us }) => ({
    ...{ bench: 11, what: `inside ingest: ${name}`, unit: 'µs/event' },
    ...{ ours: us, bare: null, target: null, rounds: { ours: [us], bare: [] } },
  }));
}
