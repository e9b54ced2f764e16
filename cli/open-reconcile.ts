// Command line: what `reconcile` works with, on a real installation. In: an installation. Out: accounts, the asker, and
// a way to append facts.

import { FactAppender } from '../log/own-facts.js';
import { pause } from '../log/pause.js';
import { createAccountStore } from '../runtime/account-store.js';
import { systemClock } from '../runtime/clock.js';
import { createLogger } from '../runtime/logger.js';
import { Asker } from '../scheduler/asker.js';
import type { Installation } from './installation.js';
import type { ReconcileServices } from './reconcile.js';

/** Opens the log only where something may be appended. */
export async function openReconcile(
  installation: Installation,
  isDry: boolean,
): Promise<ReconcileServices> {
  const { database, keyRing, config } = installation;
  const accounts = createAccountStore(database, keyRing);
  const now = (): number => performance.now();
  const ratePerSecond = config.TRUNKLINE_ASK_RATE;
  const asker = new Asker({ database, accounts, api: { sleep: pause }, ratePerSecond, now });
  const logger = createLogger({ level: 'warn' });
  const parts = { database, asker, logger, at: systemClock };
  if (isDry) {
    return { accounts, parts: { ...parts, append: null }, close: () => installation.close() };
  }
  const [log, codec] = await Promise.all([installation.openLog(), installation.openCodec()]);
  const appender = new FactAppender({ log, codec, keyRing, clock: systemClock });
  return {
    accounts,
    parts: { ...parts, append: (facts) => appender.append(facts) },
    async close() {
      await appender.close();
      await log.close();
      await installation.close();
    },
  };
}
