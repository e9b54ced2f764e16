// Chaos: loaded before a process of a run (`node --import`); the wall clock of that process is off by as many
// milliseconds as the file named by CHAOS_CLOCK_FILE says. The monotonic clock is not, as on a machine whose
// clock is set. The product itself has no such hook.

import { readFileSync } from 'node:fs';

const file = process.env.CHAOS_CLOCK_FILE ?? '';
const RealDate = Date;
const realNow = Date.now.bind(Date);
let byMs = 0;

setInterval(() => {
  try {
    byMs = Number(readFileSync(file, 'utf8')) || 0;
  } catch {
    // Not written yet: the clock is right.
  }
}, 100).unref();

RealDate.now = () => realNow() + byMs;
globalThis.Date = new Proxy(RealDate, {
  construct: (target, args) =>
    args.length === 0 ? new target(realNow() + byMs) : Reflect.construct(target, args),
  apply: () => new RealDate(realNow() + byMs).toString(),
});
