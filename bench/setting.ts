// Bench: what all scenarios share. Comes in: nothing. Goes out: a broker, databases, and the order in
// which everything that was started is stopped again, whatever happens.

import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { Kafka, logLevel } from 'kafkajs';

import { startKafka, type OwnKafka } from '../test/services/kafka.js';
import { freshDatabase } from '../test/services/postgres.js';
import { startPart, type Part } from './measure.js';
import { newSite, removeSite, startRoles, type Roles, type Site } from './site.js';

/** How much is measured. */
export interface Size {
  readonly rounds: number;
  /** Deliveries of one round of the throughput benches. */
  readonly deliveries: number;
  /** Seconds of one round of the paced benches. */
  readonly seconds: number;
  /** How often a processor is taken away, each way. */
  readonly takeovers: number;
  /** How long the soak lasts. */
  readonly soakMinutes: number;
}

/** The services of a run, and everything that has to be ended. */
export class Setting {
  #kafka: Promise<OwnKafka> | null = null;
  readonly #undo: (() => Promise<void> | void)[] = [];

  constructor(
    readonly size: Size,
    readonly note: (text: string) => void,
  ) {}

  /** One broker for the run, its JVM compiling as in production. */
  async broker(): Promise<string> {
    this.#kafka ??= startKafka({ jvm: 'production' });
    const kafka = await this.#kafka;
    return kafka.broker;
  }

  async kafkaSite(): Promise<Site> {
    return this.#kept(newSite({ broker: await this.broker(), databaseUrl: await freshDatabase() }));
  }

  embeddedSite(): Site {
    return this.#kept(newSite(null));
  }

  #kept(site: Site): Site {
    this.#undo.push(() => {
      removeSite(site);
    });
    return site;
  }

  async roles(site: Site, names: string): Promise<Roles> {
    const roles = await startRoles(site, names);
    this.#undo.push(() => roles.stop());
    return roles;
  }

  part(name: string, options: object): Part {
    const part = startPart(name, options);
    this.#undo.push(() => part.stop());
    return part;
  }

  /** Makes topics of one partition for bare parts. */
  async topics(...names: readonly string[]): Promise<readonly string[]> {
    const kafka = new Kafka({ brokers: [await this.broker()], logLevel: logLevel.NOTHING });
    const admin = kafka.admin();
    await admin.connect();
    const own = names.map((name) => `bare-${randomBytes(4).toString('hex')}-${name}`);
    await admin.createTopics({ topics: own.map((topic) => ({ topic, numPartitions: 1 })) });
    await admin.disconnect();
    return own;
  }

  onEnd(undo: () => Promise<void> | void): void {
    this.#undo.push(undo);
  }

  /** Ends what a scenario has started; the broker stays for the next one. */
  async clear(): Promise<void> {
    for (const undo of this.#undo.splice(0).reverse()) await undo();
  }

  async close(): Promise<void> {
    await this.clear();
    const kafka = (await this.#kafka?.catch(() => null)) ?? null;
    if (kafka === null) return;
    await kafka.stop();
    rmSync(kafka.directory, { recursive: true, force: true });
  }
}
