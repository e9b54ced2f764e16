// Redis: one connection that runs scripts. In: a URL, a script, keys. Out: its answer, or a rejection at
// once when the server is not there. Nothing is queued, repeated or sent twice; deadlines are the caller's.

import { Command, Redis } from 'ioredis';

import { TrunklineError, toError } from './errors.js';
import type { Logger } from './logger.js';

/** A Lua script and the name the server knows it by (SHA-1 of the text, hex). */
export interface RedisScript {
  readonly lua: string;
  readonly sha: string;
}

export interface RedisConnection {
  /**
   * Runs a script. What is asked for in one turn of the event loop leaves in one write. A server that
   * has lost its scripts (a restart, SCRIPT FLUSH) is sent the text. Rejects when there is no
   * connection, when it ends before the answer, or with the error of the server.
   */
  run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown>;
  /** Called each time the server is ready for commands. */
  onReady(listener: () => void): void;
  /** Drops a connection whose other end says nothing any more; a new one is made. */
  reconnect(): void;
  close(): void;
}

/** The least that a timer can wait. */
const holdMs = 1;
/** With fewer answers on their way a write of its own costs less than what holding back delays. */
const busyCommands = 16;

const retryMs = { first: 50, most: 1_000 };
const connectTimeoutMs = 2_000;

const options = {
  connectionName: 'trunkline',
  connectTimeout: connectTimeoutMs,
  keepAlive: 10_000,
  enableOfflineQueue: false,
  // What was sent may have been done: whoever asked decides, not the next connection.
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  retryStrategy: (times: number) => Math.min(retryMs.most, retryMs.first * times),
} as const;

/** Connects in the background and keeps connecting; never throws. */
export function openRedis(url: string, logger: Logger): RedisConnection {
  const redis = new Redis(url, options);
  redis.on('error', (error: Error) => {
    logger.debug({ code: 'redis_connection', reason: codeOf(error) }, 'Redis is not reached');
  });
  return new IoredisConnection(redis);
}

class IoredisConnection implements RedisConnection {
  /** The stream whose commands are held back for one write, and how many they are. */
  #corked: Redis['stream'] | null = null;
  #held = 0;
  /** Commands that are written and not answered. */
  #written = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly redis: Redis) {}

  run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    return this.#send('evalsha', [script.sha, keys.length, ...keys, ...args]).then(
      (answer) => {
        this.#answered();
        return answer;
      },
      (thrown: unknown) => {
        this.#answered();
        if (!toError(thrown).message.startsWith('NOSCRIPT')) throw thrown;
        const again = this.#send('eval', [script.lua, keys.length, ...keys, ...args]);
        return again.finally(() => this.#answered());
      },
    );
  }

  onReady(listener: () => void): void {
    this.redis.on('ready', listener);
    if (this.redis.status === 'ready') listener();
  }

  reconnect(): void {
    if (this.redis.status === 'ready') this.redis.stream.destroy();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.redis.disconnect();
    // There is none yet in the first turn of a connection.
    const stream = this.redis.stream as Redis['stream'] | undefined;
    stream?.destroy();
  }

  #send(name: string, args: (string | number)[]): Promise<unknown> {
    const command = new Command(name, args, { replyEncoding: 'utf8' });
    if (this.redis.status === 'ready') this.#cork(this.redis.stream);
    this.#held += 1;
    this.redis.sendCommand(command);
    return command.promise;
  }

  /**
   * A write for each command would cost more than the command. When few are on their way the commands of a
   * turn leave at its end; otherwise the next write waits for the answers, at most `holdMs`.
   */
  #cork(stream: Redis['stream']): void {
    if (this.#corked === stream) return;
    this.#uncork();
    this.#corked = stream;
    stream.cork();
    if (this.#written < busyCommands) setImmediate(this.#uncork);
    else this.#timer = setTimeout(this.#uncork, holdMs);
  }

  readonly #uncork = (): void => {
    clearTimeout(this.#timer);
    const stream = this.#corked;
    this.#corked = null;
    this.#written += this.#held;
    this.#held = 0;
    stream?.uncork();
  };

  #answered(): void {
    if (this.#written > 0) this.#written -= 1;
    else this.#held = Math.max(0, this.#held - 1);
    if (this.#written === 0 && this.#corked !== null) setImmediate(this.#uncork);
  }
}

/** What a server says of itself. */
export interface RedisFacts {
  readonly version: string;
  /** A full server refuses what is written, instead of letting go of keys. */
  readonly refusesWhenFull: boolean;
}

/** Asks the server at `url`; throws `service_unreachable` when nobody answers in time. */
export async function redisFacts(url: string): Promise<RedisFacts> {
  const redis = new Redis(url, { ...options, lazyConnect: true, retryStrategy: () => null });
  // The errno comes as an event; what `connect` rejects with is only that the connection is closed.
  const faults: Error[] = [];
  redis.on('error', (error: Error) => faults.push(error));
  try {
    await redis.connect();
    const info = `${await redis.info('server')}\n${await redis.info('memory')}`;
    const version = /^(?:redis|valkey)_version:(\S+)/m.exec(info)?.[1] ?? 'of an unknown version';
    const isBounded = !/^maxmemory:0\s/m.test(info);
    return { version, refusesWhenFull: isBounded && /^maxmemory_policy:noeviction/m.test(info) };
  } catch (thrown) {
    const reason = codeOf(faults[0] ?? toError(thrown));
    throw new TrunklineError('service_unreachable', `no Redis at REDIS_URL: ${reason}`);
  } finally {
    redis.disconnect();
  }
}

/** The errno or the first word of the server's answer: the rest of a message may name keys. */
export function codeOf(error: Error): string {
  const { code } = error as { code?: unknown };
  if (typeof code === 'string') return code;
  return /^[A-Z]{3,20}\b/.exec(error.message)?.[0] ?? error.name;
}
