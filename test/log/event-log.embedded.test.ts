// The log’s port on PostgreSQL (test/services/), and what only this driver does.

import type { EventLog } from '../../log/event-log.js';
import { testEventLog } from '../contracts/event-log.js';
import { migratedUrl, openAt } from './open-embedded.js';

const urls = new WeakMap<EventLog, string>();

async function openOn(url: string): Promise<EventLog> {
  const log = await openAt(url);
  urls.set(log, url);
  return log;
}

testEventLog({
  name: 'embedded (real PostgreSQL)',
  openFresh: async () => openOn(await migratedUrl()),
  openAgain: (log) => openOn(urls.get(log) ?? ''),
  isDurable: true,
  handoverMs: 3000,
});
