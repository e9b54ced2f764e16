// Chaos: the load. Comes in: simulated provider traffic. Goes out: deliveries to whichever ingest node a
// balancer would send them to, tried again until one is answered 2xx; and which ones were.

import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

import { simulatedProviders } from '../../cli/simulator/providers.js';
import {
  runSimulator,
  type SettledTruth,
  type SimulatorReport,
  type SimulatorTarget,
} from '../../cli/simulator/run.js';
import { createSender, type Sender, type SendOutcome } from '../../cli/simulator/send.js';
import type { RegistryStore } from '../../runtime/registry-store.js';
import type { TenantId } from '../../schemas/ids.js';
import type { Slot } from './slots.js';

export interface LoadOptions {
  readonly seed: number;
  /** Deliveries per second. */
  readonly rate: number;
}

/** A provider that gets no 2xx tries again for so long; most do for hours. */
const patienceMs = 60_000;
const attemptTimeoutMs = 5_000;
const probeEveryMs = 250;

/** Sends as a provider behind a load balancer does: to nodes that say they are ready, and again. */
class Balancer implements Sender {
  /** Answers of all attempts, by status; `error` where there was none. */
  readonly answers = new Map<string, number>();
  /** Correlation ids of the attempts that were answered 2xx. */
  readonly accepted: string[] = [];
  readonly #inner = createSender({ maxSockets: 64, timeoutMs: attemptTimeoutMs });
  readonly #ready = new Set<Slot>();
  readonly #closed = new AbortController();
  #turn = 0;

  constructor(private readonly nodes: readonly [Slot, ...Slot[]]) {
    for (const node of nodes) void this.#probe(node);
  }

  async send(...[webhook, to]: Parameters<Sender['send']>): Promise<SendOutcome> {
    const deadline = performance.now() + patienceMs;
    for (let waitMs = 50; ; waitMs = Math.min(waitMs * 2, 1_000)) {
      const id = randomBytes(12).toString('hex');
      const at = new URL(to);
      at.host = new URL(this.#next().url).host;
      const headers = { ...webhook.headers, 'x-correlation-id': id };
      const outcome = await this.#inner.send({ ...webhook, headers }, at);
      const answer = String(outcome.status ?? 'error');
      this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
      if (outcome.status !== null && outcome.status >= 200 && outcome.status < 300) {
        this.accepted.push(id);
        return outcome;
      }
      if (performance.now() > deadline) return outcome;
      await pause(waitMs);
    }
  }

  close(): void {
    this.#closed.abort();
    this.#inner.close();
  }

  #next(): Slot {
    this.#turn += 1;
    const candidates = this.nodes.filter((node) => this.#ready.has(node));
    const among = candidates.length > 0 ? candidates : this.nodes;
    return among[this.#turn % among.length] ?? this.nodes[0];
  }

  async #probe(node: Slot): Promise<void> {
    while (!this.#closed.signal.aborted) {
      if (await node.isReady()) this.#ready.add(node);
      else this.#ready.delete(node);
      await pause(probeEveryMs);
    }
  }
}

/** Traffic of every provider to several tenants, until it is told to stop. */
export class Load {
  readonly truths: SettledTruth[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<SimulatorReport>;
  #latest: SimulatorReport | null = null;

  constructor(
    readonly tenants: readonly TenantId[],
    targets: readonly [SimulatorTarget, ...SimulatorTarget[]],
    readonly balancer: Balancer,
    { seed, rate }: LoadOptions,
  ) {
    this.#running = runSimulator(
      {
        ...{ targets, seed, rate, calls: null, speed: 60, maxInFlight: 64, finishWithinMs: 90_000 },
        ...{ messages: 0.2, duplicates: 0.1, reorders: 0.1, drops: 0 },
        sender: balancer,
        onTruth: (truth) => void this.truths.push(truth),
        onProgress: (report) => void (this.#latest = report),
      },
      this.#stop.signal,
    );
    this.#running.catch(() => undefined);
  }

  get sent(): number {
    return this.#latest?.sent ?? 0;
  }

  /** Brings every call to its end. */
  stop(): Promise<SimulatorReport> {
    this.#stop.abort();
    return this.#running;
  }
}

/** Makes the tenants and an endpoint of every provider for each, waits until all nodes know them, and plays. */
export async function startLoad(
  store: RegistryStore,
  tenants: readonly TenantId[],
  nodes: readonly [Slot, ...Slot[]],
  options: LoadOptions,
): Promise<Load> {
  const targets: SimulatorTarget[] = [];
  const paths: string[] = [];
  for (const tenant of tenants) {
    await store.addTenant(tenant, tenant);
    for (const { provider, newAccount } of simulatedProviders) {
      const { sender, endpoint: credentials } = newAccount();
      const common = {
        tenant,
        name: provider,
        allow: [],
        ratePerSecond: null,
        publicBaseUrl: base,
      };
      const { id } = await store.addEndpoint({ ...common, provider, credentials });
      const path = `/v1/webhooks/${id}`;
      paths.push(path);
      targets.push({ provider, url: base + path, signedUrl: base + path, sender });
    }
  }
  for (const node of nodes) for (const path of paths) await known(node, path);
  const [first, ...rest] = targets;
  if (first === undefined) throw new Error('there is nothing to play');
  return new Load(tenants, [first, ...rest], new Balancer(nodes), options);
}

/** What the providers have signed, wherever a delivery goes. */
const base = 'http://hooks.chaos.example';

async function known(node: Slot, path: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (performance.now() < deadline) {
    const answer = await fetch(node.url + path, { method: 'POST' });
    await answer.body?.cancel();
    if (answer.status !== 404) return;
    await pause(50);
  }
  throw new Error(`${node.name} does not know ${path}`);
}
