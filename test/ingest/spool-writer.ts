// A process that puts deliveries into a spool as fast as it goes, until it is killed or the disk is full.
// Says each outcome in a line, after the answer. Arguments: directory, first number, how many (0: endless).

import { Spool } from '../../ingest/spool.js';
import { silentLogger } from '../../runtime/logger.js';
import { record } from './fixtures.js';

const [directory = '', first = '0', count = '0'] = process.argv.slice(2);
const partitions = 3;
const perTurn = 5;
const last = Number(count) === 0 ? Infinity : Number(first) + Number(count);

const spool = await Spool.open({
  ...{ directory, maxBytes: 2 ** 30, segmentBytes: 16 * 1024 },
  ...{ logger: silentLogger, onFault: () => undefined },
});
for (let n = Number(first); n < last;) {
  const puts: Promise<void>[] = [];
  for (let i = 0; i < perTurn && n < last; i += 1, n += 1) {
    const number = n;
    const value = `${number} ${'x'.repeat((number * 37) % 700)}`;
    puts.push(
      spool.put(number % partitions, record(value)).then((outcome) => {
        process.stdout.write(`${outcome} ${number}\n`);
      }),
    );
  }
  await Promise.all(puts);
}
await spool.close();
