// Bench: Kafka Streams with exactly-once as a process of its own (bench/peers/streams). Comes in: topics. Goes
// out: processes that fold them, and how far they are: the offset that they have committed with their outputs.

import { randomBytes } from 'node:crypto';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Kafka, logLevel, type Admin, type Producer } from 'kafkajs';

import { runToEnd } from '../test/services/shared.js';
import type { Setting } from './setting.js';
import type { SignedRequest } from './traffic.js';

const project = join('bench', 'peers', 'streams');
const built = join('.cache', 'streams-peer');

/** Builds the peer once; needs Maven and a JDK ≥ 17. */
export async function buildPeer(): Promise<void> {
  if (existsSync(join(built, 'lib')) && existsSync(join(built, 'classes', 'Peer.class'))) return;
  const goals = ['compile', 'dependency:copy-dependencies', '-DincludeScope=runtime'];
  const output = `-DoutputDirectory=${join(process.cwd(), built, 'lib')}`;
  await runToEnd('mvn', ['-q', '-B', ...goals, output], { cwd: project });
}

/** One application of the peer: its topics and group. */
export interface PeerApplication {
  readonly from: string;
  readonly to: string;
  readonly id: string;
  readonly admin: Admin;
  readonly producer: Producer;
  /** How many records of `from` are processed and committed with their outputs. */
  committed(): Promise<number>;
  /** Appends bodies of callbacks, keyed by their calls. */
  feed(requests: readonly SignedRequest[]): Promise<void>;
}

export async function openPeer(setting: Setting): Promise<PeerApplication> {
  await buildPeer();
  const [from = '', to = ''] = await setting.topics('in', 'out');
  const kafka = new Kafka({ brokers: [await setting.broker()], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await admin.connect();
  await producer.connect();
  setting.onEnd(async () => {
    await producer.disconnect();
    await admin.disconnect();
  });
  const id = `peer-${randomBytes(4).toString('hex')}`;
  return {
    ...{ from, to, id, admin, producer },
    async committed() {
      const [topic] = await admin.fetchOffsets({ groupId: id, topics: [from] });
      return Math.max(0, Number(topic?.partitions[0]?.offset ?? 0));
    },
    async feed(requests) {
      for (let at = 0; at < requests.length; at += 500) {
        const messages = requests.slice(at, at + 500).map(({ callSid, bytes }) => ({
          ...{ key: callSid, partition: 0 },
          value: bytes.subarray(bytes.indexOf('\r\n\r\n') + 4),
        }));
        await producer.send({ topic: from, acks: -1, messages });
      }
    },
  };
}

/** A process of the application. */
export interface PeerProcess {
  readonly pid: number;
  kill(): void;
  stop(): Promise<void>;
}

export async function startPeer(
  setting: Setting,
  { id, from, to }: PeerApplication,
  sessionMs: number,
): Promise<PeerProcess> {
  const state = join('.cache', 'bench', `streams-${randomBytes(4).toString('hex')}`);
  const path = `${join(built, 'classes')}:${join(built, 'lib')}/*`;
  const args = [await setting.broker(), id, from, to, state, String(sessionMs)];
  const child = spawn('java', ['-Xms256m', '-Xmx768m', '-cp', path, 'Peer', ...args], {
    stdio: 'ignore',
  });
  const end = async (): Promise<void> => {
    await ended(child);
    rmSync(state, { recursive: true, force: true });
  };
  setting.onEnd(end);
  return { pid: child.pid ?? 0, kill: () => void child.kill('SIGKILL'), stop: end };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await Promise.race([gone, pause(10_000)]);
  child.kill('SIGKILL');
  await gone;
}
