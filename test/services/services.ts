// The one door of the tests to real services. Each starts on first use and is shared.

import { sharedBrokers } from './kafka.js';
import { freshDatabase } from './postgres.js';
import { sharedRedis } from './redis.js';
import { sharedRegistry } from './registry.js';

/** A fresh, empty database on a real PostgreSQL. */
export const postgresUrl = (): Promise<string> => freshDatabase();

/** Brokers of a real Kafka; use a random topic prefix. */
export const kafkaBrokers = (): Promise<string[]> => sharedBrokers();

/** Confluent API of a real schema registry. */
export const registryUrl = (): Promise<string> => sharedRegistry();

/** A real Redis; use keys of your own. */
export const redisUrl = (): Promise<string> => sharedRedis();
