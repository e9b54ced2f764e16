// Scheduler: a provider's list of calls against ours. Comes in: a page of the list. Goes out: each difference, and the
// facts that repair it; facts of the same content are the same facts, so that a second run repairs nothing.

import type { OwnFact } from '../log/own-facts.js';
import { postgresError, type Database } from '../runtime/postgres.js';
import type { CallStatus, ProviderName } from '../schemas/facts.js';
import type { TenantId } from '../schemas/ids.js';
import {
  reconciledFact,
  type ListedCall,
  type ReportedFact,
  type ReportPlace,
} from './providers/provider-api.js';

export const differenceKinds = [
  'missing',
  'not_ended',
  'inferred',
  'behind',
  'contradicts',
] as const;
/**
 * `missing`: we never heard of it. `not_ended`: it ended there. `inferred`: its end was inferred, and there it is
 * known. `behind`: it is further there. `contradicts`: it ended in another way; both facts stand, ours counts.
 */
export type DifferenceKind = (typeof differenceKinds)[number];

export interface Difference {
  readonly kind: DifferenceKind;
  readonly tenant: TenantId;
  readonly provider: ProviderName;
  readonly legRef: string;
  /** Ours; null where there is none. */
  readonly callId: string | null;
  readonly ours: CallStatus | null;
  readonly theirs: CallStatus | 'ended' | null;
  readonly startedAtMs: number | null;
  /** None where it cannot be repaired by facts. */
  readonly repair: readonly OwnFact[];
}

interface OurLeg {
  readonly ref: string;
  readonly callId: string | null;
  readonly status: CallStatus | null;
  readonly inferred: boolean;
  readonly isPrimary: boolean;
}

/** What differs between a page of the provider's list and our calls as they stand now. */
export async function compareCalls(
  database: Database,
  place: ReportPlace,
  listed: readonly ListedCall[],
): Promise<readonly Difference[]> {
  if (listed.length === 0) return [];
  const ours = await ourLegs(database, place, listed);
  return listed.flatMap((call) => differenceOf(place, call, ours.get(call.legRef) ?? null) ?? []);
}

function differenceOf(place: ReportPlace, call: ListedCall, our: OurLeg | null): Difference | null {
  const { tenant, provider } = place;
  const { legRef, startedAtMs, isEnded } = call;
  const theirs = call.status ?? (isEnded ? 'ended' : null);
  const ours = our?.status ?? null;
  const found = (kind: DifferenceKind, facts: readonly ReportedFact[]): Difference => ({
    ...{ kind, tenant, provider, legRef, callId: our?.callId ?? null, ours, theirs, startedAtMs },
    repair: facts.map((fact) => reconciledFact(place, fact)),
  });
  if (our === null || ours === null)
    return call.facts.length === 0 ? null : found('missing', call.facts);
  const isOurEnd = ours === 'completed' || ours === 'failed';
  const ends = call.facts.filter(isEnd);
  if (isEnded && !isOurEnd) return found('not_ended', call.facts);
  if (isEnded && our.inferred && our.isPrimary) return found('inferred', call.facts);
  if (isEnded && contradicts(ends, ours)) return found('contradicts', []);
  return !isEnded && isBehind(ours, call.status) ? found('behind', furtherFact(call)) : null;
}

const isEnd = ({ signal }: ReportedFact): boolean =>
  signal.type === 'hangup' ||
  (signal.type === 'status' && (signal.status === 'completed' || signal.status === 'failed'));

/** A hangup says that it ended, not how. */
const contradicts = (ends: readonly ReportedFact[], ours: CallStatus): boolean =>
  ends.some(({ signal }) => signal.type === 'status' && signal.status !== ours);

const isBehind = (ours: CallStatus, theirs: CallStatus | null): boolean =>
  (theirs === 'answered' && (ours === 'initiated' || ours === 'ringing')) ||
  (theirs === 'ringing' && ours === 'initiated');

function furtherFact({ legRef, status }: ListedCall): readonly ReportedFact[] {
  if (status === null) return [];
  const signal = { type: 'status', status, cause: null, reason: null } as const;
  return [{ legRef, event: `status.${status}`, signal, atMs: null }];
}

/** By the alias table of the decisions: a reference of any leg leads to its call. */
async function ourLegs(
  database: Database,
  { tenant, provider }: ReportPlace,
  listed: readonly ListedCall[],
): Promise<ReadonlyMap<string, OurLeg>> {
  try {
    const { rows } = await database.query<OurLeg>({
      name: 'scheduler_our_legs',
      text: `select r.ref, c.id as "callId", coalesce(l.status, c.status) as status,
          coalesce(c.inferred, false) as inferred, coalesce(l.is_primary, true) as "isPrimary"
        from unnest($2::text[]) r (ref)
        join aggregate_state s on s.tenant_id = $1 and s.kind = 'alias' and s.key = $3 || ':' || r.ref
        join calls c on c.tenant_id = $1 and c.id = s.state::jsonb ->> 'callId'
        left join legs l on l.tenant_id = $1 and l.call_id = c.id and l.leg_ref = r.ref`,
      values: [tenant, listed.map(({ legRef }) => legRef), provider],
    });
    return new Map(rows.map((row) => [row.ref, row]));
  } catch (thrown) {
    throw postgresError(thrown);
  }
}
