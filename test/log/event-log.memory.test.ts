// The log's port on the memory driver.

import type { EventLog } from '../../log/event-log.js';
import { createMemoryLog, MemoryStore } from '../../log/memory.js';
import { testEventLog } from '../contracts/event-log.js';

const stores = new WeakMap<EventLog, MemoryStore>();

function openOn(store: MemoryStore): Promise<EventLog> {
  const log = createMemoryLog(store);
  stores.set(log, store);
  return Promise.resolve(log);
}

testEventLog({
  name: 'memory',
  openFresh: () => openOn(new MemoryStore({ partitions: 4 })),
  openAgain: (log) => openOn(stores.get(log) ?? new MemoryStore()),
  isDurable: false,
  handoverMs: 1000,
});
