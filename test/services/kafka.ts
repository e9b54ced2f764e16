// A real Kafka broker (the official jars from Maven Central, KRaft, JDK ≥ 17) for tests.

import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';

import {
  alive,
  cacheDirectory,
  freePort,
  runToEnd,
  servicesDirectory,
  shared,
  spawnDetached,
  until,
  type Running,
} from './shared.js';

const version = '4.1.1';
const directory = join(cacheDirectory, `kafka-${version}`);

/** Brokers of the shared Kafka; `KAFKA_BROKERS` of the environment wins. */
export async function sharedBrokers(): Promise<string[]> {
  const given = process.env['TRUNKLINE_TEST_KAFKA'];
  if (given !== undefined && given !== '') return given.split(',');
  const broker = await shared('kafka', async () => {
    const own = await startKafka({ directory: join(servicesDirectory, 'kafka-data') });
    return { pid: own.pid, address: own.broker, what: `Apache Kafka ${version} (Maven jars)` };
  });
  return broker.address.split(',');
}

/** A broker of one test's own, to be stopped and started under traffic. */
export interface OwnKafka {
  readonly pid: number;
  readonly broker: string;
  readonly directory: string;
  /** SIGKILL, as a machine that loses power. */
  kill(): Promise<void>;
  /** Clean stop. */
  stop(): Promise<void>;
  /** Starts the same broker again on the same port and data. */
  restart(): Promise<void>;
}

export interface KafkaOptions {
  readonly directory?: string;
  /** How the JVM runs: quick to start (default), or compiled fully as in production, for benches. */
  readonly jvm?: 'quick' | 'production';
}

/** Starts a broker with its own data directory; resolves when it answers. */
export async function startKafka(options: KafkaOptions = {}): Promise<OwnKafka> {
  await fetchJars();
  const home =
    options.directory ?? join(servicesDirectory, `kafka-own-${randomBytes(4).toString('hex')}`);
  const port = await freePort();
  const controllerPort = await freePort();
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'server.properties'), properties(home, port, controllerPort));
  writeFileSync(join(home, 'log4j2.xml'), log4j);
  const id = (await runToEnd('java', tool(home, 'random-uuid'))).trim();
  const config = join(home, 'server.properties');
  await runToEnd('java', tool(home, 'format', '-t', id, '-c', config));
  const broker = `127.0.0.1:${port}`;
  const flags = jvmFlags[options.jvm ?? 'quick'];
  let pid = launch(home, flags);
  await answers(broker);
  const end = async (signal: NodeJS.Signals) => {
    process.kill(pid, signal);
    await until('Kafka to end', () => !alive(pid));
  };
  return {
    get pid() {
      return pid;
    },
    broker,
    directory: home,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    async restart() {
      pid = launch(home, flags);
      await answers(broker);
    },
  };
}

/** Of the JVM of a broker. */
const jvmFlags = {
  quick: ['-Xms256m', '-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
  production: ['-Xms1g', '-Xmx1g', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20'],
} as const;

/** Starts the broker of a directory. */
export const launch = (home: string, flags: readonly string[]): number =>
  spawnDetached('java', [...flags, ...java(home, 'kafka.Kafka', join(home, 'server.properties'))], {
    log: join(home, 'broker.log'),
  });

/** Resolves when the broker says who belongs to its cluster. */
export async function answers(broker: string): Promise<void> {
  const kafka = new Kafka({
    brokers: [broker],
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
    connectionTimeout: 500,
  });
  await until(
    'Kafka',
    async () => {
      const admin = kafka.admin();
      try {
        await admin.connect();
        return (await admin.describeCluster()).brokers.length > 0;
      } finally {
        await admin.disconnect();
      }
    },
    60_000,
  );
}

/** A command line of Kafka's storage tool. */
export const tool = (home: string, ...args: readonly string[]): string[] => [
  ...jvmFlags.quick,
  ...java(home, 'kafka.tools.StorageTool', ...args),
];

function java(home: string, main: string, ...args: readonly string[]): string[] {
  return [
    '-XX:-UsePerfData',
    `-Dlog4j2.configurationFile=${join(home, 'log4j2.xml')}`,
    '-cp',
    `${join(directory, 'lib')}/*`,
    main,
    ...args,
  ];
}

/** Fetches the broker with Maven once; a half-fetched directory is never taken for whole. */
export async function fetchJars(): Promise<void> {
  if (existsSync(join(directory, 'lib'))) return;
  const partial = `${directory}.partial-${process.pid}`;
  mkdirSync(partial, { recursive: true });
  writeFileSync(join(partial, 'pom.xml'), pom);
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', '-DoutputDirectory=lib'];
  await runToEnd('mvn', ['-q', '-B', ...goal], { cwd: partial });
  if (existsSync(directory)) rmSync(partial, { recursive: true });
  else renameSync(partial, directory);
}

const pom = `<project><modelVersion>4.0.0</modelVersion>
<groupId>trunkline.test</groupId><artifactId>kafka</artifactId><version>1</version><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${version}</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>2.25.2</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.2</version></dependency>
</dependencies></project>
`;

/** What a broker says: warnings. */
export const log4j = `<Configuration status="ERROR"><Appenders><Console name="C"><PatternLayout pattern="%d %p %c{1} %m%n"/></Console></Appenders>
<Loggers><Root level="WARN"><AppenderRef ref="C"/></Root></Loggers></Configuration>
`;

const properties = (home: string, port: number, controllerPort: number): string =>
  `process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.quorum.voters=1@127.0.0.1:${controllerPort}
log.dirs=${join(home, 'data')}
num.network.threads=2
num.io.threads=2
offsets.topic.num.partitions=3
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
`;

/** What the table of a run says of the shared broker; null when no test asked for it. */
export type KafkaState = Running | null;
