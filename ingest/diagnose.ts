// Ingest: why deliveries are refused, found out after they were answered. Comes in: refusals. Goes out: a
// cause in metrics, in a log line and in the list of recent refusals. Searches run in slices of a
// millisecond and within a budget, so that a flood of forged requests costs nothing.

import { performance } from 'node:perf_hooks';

import type { Clock } from '../runtime/clock.js';
import type { DiagnosisStore } from '../runtime/diagnosis-store.js';
import type { HttpRequest } from '../runtime/http.js';
import type { Logger } from '../runtime/logger.js';
import type { Metrics } from '../runtime/metrics.js';
import type { Endpoint, Registry } from '../runtime/registry.js';
import { causeWords } from '../schemas/refusal-causes.js';
import type { VerifiedDelivery } from '../schemas/stages.js';
import type { Refusal } from './acknowledge.js';
import { Budget } from './budget.js';
import { CredentialUses } from './credential-uses.js';
import { DiagnosisMetrics } from './diagnosis-metrics.js';
import { examine, workUnits, type Explanation, type RefusedRequest } from './explain/explain.js';
import type { StoredCredential } from './providers/provider.js';
import { findProvider } from './providers/registry.js';
import { Quiet } from './quiet.js';
import { RefusalLog } from './refusal-log.js';
import { keptRefusal, plainCause } from './refusal-record.js';
import { publicUrl } from './verify.js';

/** A refused request that came as far as its endpoint. */
export interface RefusedPassage {
  readonly request: HttpRequest;
  readonly endpoint: Endpoint;
}

export interface DiagnosisOptions {
  readonly registry: Pick<Registry, 'endpointsOf'>;
  /** Null: nothing is kept, and ended credentials are not known. */
  readonly store: DiagnosisStore | null;
  readonly logger: Logger;
  readonly clock: Clock;
  /** TRUNKLINE_PUBLIC_URL; null where it is not set. */
  readonly installationUrl: string | null;
  /** True while other measures say that our own clock is wrong. */
  readonly suspectsOwnClock: () => boolean;
  readonly metrics: Metrics;
}

/** Searches of one endpoint: 10 at once, then one every 5 s. */
const perEndpoint = { burst: 10, perSecond: 0.2, maxKeys: 20_000 } as const;
/** Units of work of this process (some 25 µs each): half a second at once, then a twentieth of its time. */
const perProcess = { burst: 20_000, perSecond: 2_000, maxKeys: 1 } as const;
const sliceMs = 1;
const maxQueued = 32;
/** Larger bodies wait too long in memory to be looked into. */
const maxBodyBytes = 256 * 1024;
const retiredWaitMs = 250;

interface Job {
  readonly passage: RefusedPassage;
  readonly refusal: Refusal;
  /** Our clock when it was judged, ms since 1970. */
  readonly at: number;
}

export class Diagnosis {
  readonly #endpoints = new Budget(perEndpoint);
  readonly #process = new Budget(perProcess);
  readonly #quiet = new Quiet();
  readonly #queue: Job[] = [];
  readonly #metrics: DiagnosisMetrics;
  readonly #uses: CredentialUses;
  readonly #log: RefusalLog | null;
  #working: Promise<void> | null = null;

  constructor(private readonly options: DiagnosisOptions) {
    const { store, logger } = options;
    const metrics = new DiagnosisMetrics(options.metrics);
    this.#metrics = metrics;
    this.#uses = new CredentialUses(options);
    const onUnwritten = metrics.unwritten.bind(metrics);
    this.#log = store === null ? null : new RefusalLog({ store, logger, onUnwritten });
  }

  /** Takes a refusal that is being answered. Never waits, never throws. */
  refused(passage: RefusedPassage, refusal: Refusal): void {
    const { layer } = refusal;
    const job = { passage, refusal, at: this.options.clock() };
    if (layer !== 'signature' && layer !== 'timestamp') {
      this.#done(job, bare(plainCause(refusal)));
      return;
    }
    const now = performance.now();
    const { id } = passage.endpoint;
    const isAffordable =
      this.#queue.length < maxQueued &&
      passage.request.body.length <= maxBodyBytes &&
      this.#process.has('', now) &&
      this.#endpoints.has(id, now);
    if (!isAffordable) {
      this.#done(job, bare('not_examined'));
      return;
    }
    this.#endpoints.spend(id, 1, now);
    this.#queue.push(job);
    this.#working ??= this.#work().finally(() => (this.#working = null));
  }

  /** Counts the credential that verified a delivery; on its way, so no more than two look-ups. */
  used(endpoint: Endpoint, { credential, raw }: VerifiedDelivery): void {
    this.#metrics.used(endpoint.provider, credential.isRetiring);
    this.#uses.note(endpoint, credential.id, raw.receivedAt);
  }

  /** Ends the search that is under way, leaves those that wait, and writes what is known. */
  async stop(): Promise<void> {
    for (const job of this.#queue.splice(0)) this.#done(job, bare('not_examined'));
    await this.#working;
    await Promise.all([this.#log?.stop(), this.#uses.stop()]);
  }

  async #work(): Promise<void> {
    // The answer goes out first.
    await turn();
    for (let job = this.#queue.shift(); job !== undefined; job = this.#queue.shift()) {
      const retired = await this.#retired(job.passage.endpoint);
      this.#done(job, await this.#search(refusedRequest(job, retired, this.options)));
    }
  }

  /** A slice, then whoever else has something to do, until the search is over. */
  async #search(refused: RefusedRequest): Promise<Explanation> {
    const work = { units: workUnits.full, spent: 0 };
    const search = examine(refused, work);
    for (;;) {
      const begin = performance.now();
      for (;;) {
        const step = search.next();
        if (step.done === true) {
          this.#process.spend('', work.spent, begin);
          return step.value;
        }
        if (performance.now() - begin >= sliceMs) break;
      }
      await turn();
    }
  }

  /** Ended credentials; none where Postgres does not give them at once. */
  async #retired({ tenant, id }: Endpoint): Promise<readonly StoredCredential[]> {
    const { store } = this.options;
    if (store === null) return [];
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<readonly StoredCredential[]>((resolve) => {
      timer = setTimeout(() => resolve([]), retiredWaitMs);
    });
    const asked = store.retiredCredentials(tenant, id).catch(() => []);
    return Promise.race([asked, late]).finally(() => clearTimeout(timer));
  }

  #done(job: Job, why: Explanation): void {
    const { passage, refusal, at } = job;
    const { endpoint } = passage;
    this.#metrics.explained(endpoint.provider, why.cause);
    this.#log?.add(endpoint.id, () => keptRefusal({ ...passage, at }, refusal, why));
    const isSearched = refusal.layer === 'signature' || refusal.layer === 'timestamp';
    if (isSearched && why.cause !== 'not_examined') this.#say(endpoint, why);
  }

  /** One line per endpoint and cause in a while; ids of the same tenant and words of the table. */
  #say(endpoint: Endpoint, why: Explanation): void {
    const suppressed = this.#quiet.suppressed(`${endpoint.id}/${why.cause}`);
    if (suppressed === null) return;
    const { cause, also, other, looksLike, offsetMs } = why;
    const title = (name: string): string => findProvider(name)?.guide.title ?? name;
    const named = looksLike === null ? other : title(looksLike);
    const context = { endpoint: endpoint.id, provider: title(endpoint.provider), other: named };
    const { says, fix } = causeWords(cause, { ...context, offsetMs });
    this.options.logger.warn(
      {
        ...{ code: 'refusal_explained', endpoint: endpoint.id, tenant: endpoint.tenant },
        ...{ cause, also, says, fix, suppressed },
      },
      'why deliveries are refused',
    );
  }
}

const bare = (cause: Explanation['cause']): Explanation => ({
  ...{ cause, also: null, other: null, looksLike: null, offsetMs: null },
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function refusedRequest(
  { passage: { request, endpoint }, at }: Job,
  retired: readonly StoredCredential[],
  { registry, installationUrl, suspectsOwnClock }: DiagnosisOptions,
): RefusedRequest {
  const { path, query, headers, body } = request;
  const target = query === '' ? path : `${path}?${query}`;
  const others = registry.endpointsOf(endpoint.tenant).filter(({ id }) => id !== endpoint.id);
  const valuesOf = (one: Endpoint): StoredCredential[] => one.credentials.map(({ value }) => value);
  return {
    provider: endpoint.provider,
    request: {
      method: request.method === 'GET' ? 'GET' : 'POST',
      url: publicUrl(endpoint.publicBaseUrl, target),
      headers,
      body,
    },
    ...{ target, nowMs: at, retired, installationUrl },
    credentials: valuesOf(endpoint),
    others: others.map((one) => ({
      ...{ id: one.id, provider: one.provider, publicBaseUrl: one.publicBaseUrl },
      credentials: valuesOf(one),
    })),
    suspectsOwnClock: suspectsOwnClock(),
  };
}
