// How long a call may be silent, as it is configured. In: text like `answered=6h,acme/telnyx.ringing=2m`. Out: the
// bounds of a tenant's calls with a provider, the more special entry first.

import { defaultBounds, type StatusBounds } from '../schemas/timers.js';

type LiveStatus = keyof StatusBounds;

/** One entry; null stands for every tenant or provider. */
export interface SilenceBound {
  readonly tenant: string | null;
  readonly provider: string | null;
  readonly status: LiveStatus;
  readonly ms: number;
}

const unitsMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const shape =
  /^(?:([a-z0-9][a-z0-9-]{0,62})\/)?(?:([a-z][a-z0-9-]{0,40})\.)?([a-z_]+)=(\d{1,6})([smhd])$/;

const isLive = (status: string): status is LiveStatus => Object.hasOwn(defaultBounds, status);

/** Reads `[tenant/][provider.]status=duration`, comma separated; a text that says what is wrong with an entry. */
export function parseSilence(text: string): readonly SilenceBound[] | string {
  const bounds: SilenceBound[] = [];
  for (const [index, part] of text.split(',').entries()) {
    const entry = part.trim();
    if (entry === '') continue;
    const [, tenant = null, provider = null, status = '', amount = '', unit = 's'] =
      shape.exec(entry) ?? [];
    const ms = Number(amount) * unitsMs[unit as keyof typeof unitsMs];
    if (!isLive(status)) {
      const statuses = Object.keys(defaultBounds).join(', ');
      return `entry ${index + 1} must be [tenant/][provider.]status=duration, e.g. telnyx.answered=6h; statuses: ${statuses}`;
    }
    if (ms < 1_000) return `entry ${index + 1}: a call may be silent for at least 1s`;
    bounds.push({ tenant, provider, status, ms });
  }
  return bounds;
}

/** Bounds by tenant and provider; the same object for the same two. */
export function silenceOf(
  configured: readonly SilenceBound[],
): (tenant: string, provider: string) => StatusBounds {
  if (configured.length === 0) return () => defaultBounds;
  const rank = ({ tenant, provider }: SilenceBound): number =>
    (tenant === null ? 0 : 2) + (provider === null ? 0 : 1);
  const ordered = configured.toSorted((a, b) => rank(a) - rank(b));
  const known = new Map<string, StatusBounds>();
  const tenants = new Set(configured.map(({ tenant }) => tenant));
  return (tenant, provider) => {
    // A tenant that no entry names has what all have: what is kept stays small.
    const name = `${tenants.has(tenant) ? tenant : ''}/${provider}`;
    const made = known.get(name);
    if (made !== undefined) return made;
    const fitting = ordered.filter(
      (one) =>
        (one.tenant === null || one.tenant === tenant) &&
        (one.provider === null || one.provider === provider),
    );
    const own = Object.fromEntries(fitting.map(({ status, ms }) => [status, ms]));
    const bounds = { ...defaultBounds, ...own };
    known.set(name, bounds);
    return bounds;
  };
}
