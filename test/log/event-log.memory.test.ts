// The log's port on the memory driver.

import { createMemoryLog, MemoryStore } from '../../log/memory.js';
import { testEventLog } from '../contracts/event-log.js';

testEventLog({
  name: 'memory',
  openFresh: () => Promise.resolve(createMemoryLog(new MemoryStore({ partitions: 4 }))),
  isDurable: false,
  handoverMs: 1000,
});
