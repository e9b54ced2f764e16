// Three real Kafka brokers (KRaft, replication 3, min.insync.replicas 2) for chaos: each client has listeners
// of its own, advertised at an address that the caller chooses, so that its wire alone can be cut.

import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { answers, fetchJars, launch, log4j, tool } from './kafka.js';
import { alive, freePort, runToEnd, servicesDirectory, until } from './shared.js';

/** One of the brokers. */
export interface ClusterBroker {
  readonly node: number;
  readonly isUp: boolean;
  /** SIGKILL, as a machine that loses power. */
  kill(): Promise<void>;
  /** Clean stop; a broker that does not end in time is killed. */
  stop(): Promise<void>;
  /** Starts it again on the same ports and data; resolves when it answers. */
  start(): Promise<void>;
}

export interface KafkaCluster {
  readonly brokers: readonly ClusterBroker[];
  /** Straight to the brokers. */
  readonly direct: readonly string[];
  /** Bootstrap addresses of a client. */
  addressesOf(client: string): readonly string[];
  /** Ends the brokers and removes their data. */
  close(): Promise<void>;
}

export interface ClusterOptions {
  readonly clients: readonly string[];
  /** Where the listener of `client` on `port` is to be reached; a port of loopback. */
  readonly advertise: (client: string, port: number) => Promise<number>;
}

interface Ports {
  readonly node: number;
  readonly direct: number;
  readonly controller: number;
  /** By client: where the broker listens, and where the client is told to go. */
  readonly clients: ReadonlyMap<string, { readonly own: number; readonly told: number }>;
}

const nodes = [1, 2, 3] as const;
const heap = ['-Xms128m', '-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];

/** Starts the cluster; resolves when all three answer. */
export async function startKafkaCluster(options: ClusterOptions): Promise<KafkaCluster> {
  await fetchJars();
  const home = join(servicesDirectory, `kafka-three-${randomBytes(4).toString('hex')}`);
  const ports: Ports[] = [];
  for (const node of nodes) ports.push(await portsOf(node, options));
  const directories = await Promise.all(ports.map((own) => prepare(home, own, ports)));
  const id = (await runToEnd('java', tool(directories[0] ?? home, 'random-uuid'))).trim();
  for (const directory of directories) {
    const config = join(directory, 'server.properties');
    await runToEnd('java', tool(directory, 'format', '-t', id, '-c', config));
  }
  const brokers = ports.map((own, i) => brokerOf(directories[i] ?? home, own));
  await Promise.all(brokers.map((broker) => broker.start()));
  return {
    brokers,
    direct: ports.map(({ direct }) => `127.0.0.1:${direct}`),
    addressesOf: (client) =>
      ports.map(({ clients }) => `127.0.0.1:${clients.get(client)?.told ?? 0}`),
    async close() {
      await Promise.all(brokers.filter(({ isUp }) => isUp).map((broker) => broker.kill()));
      rmSync(home, { recursive: true, force: true });
    },
  };
}

async function portsOf(node: number, { clients, advertise }: ClusterOptions): Promise<Ports> {
  const direct = await freePort();
  const controller = await freePort();
  const own = new Map<string, { own: number; told: number }>();
  for (const client of clients) {
    const port = await freePort();
    own.set(client, { own: port, told: await advertise(client, port) });
  }
  return { node, direct, controller, clients: own };
}

async function prepare(home: string, own: Ports, all: readonly Ports[]): Promise<string> {
  const directory = join(home, String(own.node));
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'log4j2.xml'), log4j);
  writeFileSync(join(directory, 'server.properties'), properties(directory, own, all));
  return directory;
}

function brokerOf(directory: string, { node, direct }: Ports): ClusterBroker {
  let pid: number | null = null;
  const end = async (signal: NodeJS.Signals, withinMs: number): Promise<void> => {
    if (pid === null) return;
    const ending = pid;
    // It may have ended by itself, e.g. over the loss of its quorum.
    if (alive(ending)) process.kill(ending, signal);
    await until(`broker ${node} to end`, () => !alive(ending), withinMs);
    pid = null;
  };
  return {
    node,
    get isUp() {
      return pid !== null;
    },
    kill: () => end('SIGKILL', 10_000),
    stop: () => end('SIGTERM', 20_000).catch(() => end('SIGKILL', 10_000)),
    async start() {
      pid ??= launch(directory, heap);
      await answers(`127.0.0.1:${direct}`);
    },
  };
}

const listenerOf = (client: string): string => `C_${client.toUpperCase().replaceAll('-', '_')}`;

function properties(directory: string, own: Ports, all: readonly Ports[]): string {
  const clients = [...own.clients];
  const at = (name: string, port: number): string => `${name}://127.0.0.1:${port}`;
  const listeners = clients.map(([client, { own: port }]) => at(listenerOf(client), port));
  const told = clients.map(([client, { told: port }]) => at(listenerOf(client), port));
  const names = ['PLAINTEXT', 'CONTROLLER', ...clients.map(([client]) => listenerOf(client))];
  return `process.roles=broker,controller
node.id=${own.node}
listeners=${[at('PLAINTEXT', own.direct), at('CONTROLLER', own.controller), ...listeners].join(',')}
advertised.listeners=${[at('PLAINTEXT', own.direct), ...told].join(',')}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=${names.map((name) => `${name}:PLAINTEXT`).join(',')}
controller.quorum.voters=${all.map(({ node, controller }) => `${node}@127.0.0.1:${controller}`).join(',')}
log.dirs=${join(directory, 'data')}
num.network.threads=1
num.io.threads=2
default.replication.factor=3
min.insync.replicas=2
offsets.topic.num.partitions=3
offsets.topic.replication.factor=3
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
`;
}
