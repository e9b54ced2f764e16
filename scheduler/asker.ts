// Scheduler: asking a provider after one call, through the gate of each account. Comes in: a call that is overdue.
// Goes out: what became of it, as facts of the call, or why nobody can say.

import type { AccountStore, OpenAccount } from '../runtime/account-store.js';
import { TrunklineError } from '../runtime/errors.js';
import { postgresError, type Database } from '../runtime/postgres.js';
import type { CallStatus, ProviderName } from '../schemas/facts.js';
import type { TenantId } from '../schemas/ids.js';
import { AccountGate } from './account-gate.js';
import type { Answer, AskProvider } from './ask.js';
import { askApi, type ApiAnswer, type ApiOptions } from './call-api.js';
import type { TimerRow } from './due.js';
import {
  reconciledFact,
  type AskedCall,
  type CallReport,
  type ProviderApi,
  type Put,
  type ReportPlace,
} from './providers/provider-api.js';
import { apiOf } from './providers/registry.js';

/** What came of a question; for the metrics. */
export const askOutcomes = [
  'ended',
  'active',
  'unknown',
  'no_api',
  'no_account',
  'refused',
  'busy',
  'unreachable',
  'breaker_open',
] as const;
export type AskOutcome = (typeof askOutcomes)[number];

export interface AskerOptions {
  readonly database: Database;
  readonly accounts: Pick<AccountStore, 'open'>;
  readonly api: ApiOptions;
  /** Questions per second and account. */
  readonly ratePerSecond: number;
  /** Monotonic ms. */
  readonly now: () => number;
  readonly onAsked?: (provider: ProviderName, outcome: AskOutcome) => void;
}

/** How long accounts are remembered, and what was said of a call. */
const rememberMs = { accounts: 15_000, report: 10_000 } as const;
const maxReports = 5_000;
const againMs = { refused: 60_000, unreachable: 5_000 } as const;

interface CallPlace extends ReportPlace {
  readonly legRef: string;
}

interface Remembered<T> {
  readonly value: T;
  readonly untilMs: number;
}

/** Asks with the accounts of the call's tenant, one after the other, until one knows the call. */
export class Asker {
  readonly #options: AskerOptions;
  readonly #gates = new Map<string, AccountGate>();
  readonly #accounts = new Map<string, Remembered<readonly OpenAccount[]>>();
  readonly #reports = new Map<string, Remembered<CallReport>>();

  constructor(options: AskerOptions) {
    this.#options = options;
  }

  /** Accounts whose breaker is open now. */
  get openBreakers(): number {
    return [...this.#gates.values()].filter(({ isOpen }) => isOpen).length;
  }

  readonly ask: AskProvider = async (row, { signal, nowMs }) => {
    const { tenant, provider } = row;
    const api = apiOf(provider);
    if (api === null) return this.#unknowable(provider, 'no_api', 'provider_has_no_api');
    const accounts = await this.#accountsOf(tenant, provider);
    if (accounts.length === 0) return this.#unknowable(provider, 'no_account', 'no_credentials');
    const call = await this.#askedCall(row);
    let worst: Answer | null = null;
    for (const account of accounts) {
      const asked = await this.#askAccount(api, account, call, signal);
      const place = { tenant, provider, nowMs, legRef: call.legRef };
      const answer = this.#answerOf(row, asked, place);
      if (answer.kind === 'told') return answer;
      // One that could not be asked may be the one that knows it.
      if (worst === null || answer.kind === 'later') worst = answer;
    }
    return worst ?? { kind: 'unknowable', reason: 'no_credentials' };
  };

  /** Puts a question of an account once its gate lets it through; waits for that no longer than `maxWaitMs`. */
  put(account: OpenAccount, maxWaitMs: number, signal: AbortSignal): Put {
    const gate = this.#gateOf(account);
    const { sleep } = this.#options.api;
    let leftMs = maxWaitMs;
    return async (question) => {
      for (;;) {
        const waitMs = gate.waitMs();
        if (waitMs === 0) break;
        if (waitMs > leftMs) return waiting(gate, waitMs);
        leftMs -= waitMs;
        await sleep(waitMs, signal);
        signal.throwIfAborted();
      }
      let answer: ApiAnswer | null = null;
      try {
        answer = await askApi(question, this.#options.api, signal);
        return answer;
      } finally {
        gate.report(answer);
      }
    };
  }

  async #askAccount(
    api: ProviderApi,
    account: OpenAccount,
    call: AskedCall,
    signal: AbortSignal,
  ): Promise<CallReport> {
    const name = `${account.tenant}\0${account.id}\0${call.legRef}`;
    const known = this.#reports.get(name);
    if (known !== undefined && this.#options.now() < known.untilMs) return known.value;
    const { baseUrl, credentials } = account;
    const put = this.put(account, 1_000, signal);
    const report = await api.ask(
      { baseUrl: baseUrl ?? api.defaultBaseUrl, credentials },
      call,
      put,
    );
    if (report.kind !== 'failed') this.#remember(name, report);
    return report;
  }

  #remember(name: string, report: CallReport): void {
    if (this.#reports.size >= maxReports) this.#reports.clear();
    const untilMs = this.#options.now() + rememberMs.report;
    this.#reports.set(name, { value: report, untilMs });
  }

  #answerOf(row: TimerRow, report: CallReport, place: CallPlace): Answer {
    const { onAsked } = this.#options;
    const { provider } = place;
    switch (report.kind) {
      case 'ended':
        onAsked?.(provider, 'ended');
        return { kind: 'told', facts: report.ends.map((one) => reconciledFact(place, one)) };
      case 'active':
        onAsked?.(provider, 'active');
        return { kind: 'told', facts: [activeFact(row, report.status, place)] };
      case 'unknown':
        return this.#unknowable(provider, 'unknown', 'provider_does_not_know_it');
      case 'failed':
        return this.#failure(provider, report.answer);
    }
  }

  #failure(provider: ProviderName, answer: ApiAnswer): Answer {
    const { onAsked } = this.#options;
    if (answer.kind === 'refused') {
      onAsked?.(provider, 'refused');
      return { kind: 'later', reason: 'credentials_refused', againInMs: againMs.refused };
    }
    const isBusy = answer.kind === 'busy';
    const isOpen = answer.kind === 'unreachable' && answer.why === breakerOpen;
    onAsked?.(provider, isBusy ? 'busy' : isOpen ? 'breaker_open' : 'unreachable');
    const againInMs = isBusy ? answer.afterMs : againMs.unreachable;
    return { kind: 'later', reason: 'provider_unreachable', againInMs };
  }

  #unknowable(
    provider: ProviderName,
    outcome: AskOutcome,
    reason: Extract<Answer, { kind: 'unknowable' }>['reason'],
  ): Answer {
    this.#options.onAsked?.(provider, outcome);
    return { kind: 'unknowable', reason };
  }

  #gateOf({ tenant, id }: OpenAccount): AccountGate {
    const name = `${tenant}\0${id}`;
    const known = this.#gates.get(name);
    if (known !== undefined) return known;
    const { ratePerSecond, now } = this.#options;
    const made = new AccountGate({ ratePerSecond, now });
    this.#gates.set(name, made);
    return made;
  }

  async #accountsOf(tenant: TenantId, provider: ProviderName): Promise<readonly OpenAccount[]> {
    const name = `${tenant}\0${provider}`;
    const known = this.#accounts.get(name);
    if (known !== undefined && this.#options.now() < known.untilMs) return known.value;
    const value = await this.#options.accounts.open(tenant, provider);
    this.#accounts.set(name, { value, untilMs: this.#options.now() + rememberMs.accounts });
    return value;
  }

  async #askedCall({ tenant, callId, status }: TimerRow): Promise<AskedCall> {
    try {
      const { rows } = await this.#options.database.query<{ ref: string; control: string | null }>({
        name: 'scheduler_asked_call',
        text: `select coalesce(case when l.is_primary then l.leg_ref end, l.parent_ref, l.leg_ref) as ref,
            (select t.details::jsonb ->> 'callControlId' from call_timeline t
              where t.tenant_id = l.tenant_id and t.call_id = l.call_id and t.leg_ref = l.leg_ref
                and t.details like '%"callControlId"%' limit 1) as control
          from legs l where l.tenant_id = $1 and l.call_id = $2
          order by l.is_primary desc, l.position limit 1`,
        values: [tenant, callId],
      });
      const [row] = rows;
      if (row === undefined) throw new TrunklineError('not_found', 'a call without legs');
      return { tenant, legRef: row.ref, controlId: row.control, status };
    } catch (thrown) {
      throw postgresError(thrown);
    }
  }
}

const breakerOpen = 'the breaker is open';

const waiting = (gate: AccountGate, waitMs: number): ApiAnswer =>
  gate.isOpen ? { kind: 'unreachable', why: breakerOpen } : { kind: 'busy', afterMs: waitMs };

/** Statuses that what a provider calls in progress can follow: it has no word for hold and transfer. */
const before: Readonly<Partial<Record<CallStatus, readonly CallStatus[]>>> = {
  ringing: ['initiated'],
  answered: ['initiated', 'ringing'],
};

/**
 * It is still active: heard of, so the silence begins anew. Where the provider is further than we were told, the
 * fact moves the call.
 */
function activeFact(
  { status: ours, timerId }: TimerRow,
  theirs: CallStatus | null,
  place: CallPlace,
): ReturnType<typeof reconciledFact> {
  const isFurther = theirs !== null && (before[theirs] ?? []).includes(ours);
  return reconciledFact(
    place,
    {
      legRef: place.legRef,
      event: 'active',
      signal: isFurther
        ? { type: 'status', status: theirs, cause: null, reason: null }
        : { type: 'note', name: 'still_active' },
      atMs: null,
    },
    timerId,
  );
}
