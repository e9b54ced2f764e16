// Command line: the demo of `serve --demo`. In: an installation that listens. Out: a demo tenant, its
// endpoints, and simulated calls as signed deliveries to the real webhook route.

import { createLocalTokens } from '../runtime/tokens.js';
import type { Logger } from '../runtime/logger.js';
import { createRegistryStore, type RegistryStore } from '../runtime/registry-store.js';
import { TrunklineError } from '../runtime/errors.js';
import type { StoredCredential } from '../ingest/providers/provider.js';
import type { ProviderName } from '../schemas/facts.js';
import { parseTenantId, type EndpointId, type TenantId } from '../schemas/ids.js';
import { randomInt } from 'node:crypto';
import type { Installation } from './installation.js';
import { simulatedProviders } from './simulator/providers.js';
import { runSimulator, type SimulatorTarget } from './simulator/run.js';

/** What the demo needs to be there: its tenant and the endpoints the simulator calls. */
export interface Demo {
  readonly tenant: TenantId;
  readonly accounts: readonly DemoAccount[];
}

interface DemoAccount {
  readonly provider: ProviderName;
  readonly endpoint: EndpointId;
  readonly sender: StoredCredential;
}

const sessionMs = 15 * 60_000;
const demoName = 'demo';

/**
 * Makes the demo tenant and fresh credentials for this run. Earlier demo endpoints are taken out of
 * use: their credentials are known to nobody any more.
 */
export async function prepareDemo({ database, keyRing }: Installation): Promise<Demo> {
  const tenant = parseTenantId(demoName);
  if (tenant === null) throw new TrunklineError('internal', 'the demo tenant has no valid name');
  const store = createRegistryStore(database, keyRing);
  await store.addTenant(tenant, 'Demo');
  await retireEndpoints(store, tenant);
  const accounts: DemoAccount[] = [];
  for (const { provider, newAccount } of simulatedProviders) {
    const { sender, endpoint } = newAccount();
    const { id } = await store.addEndpoint({
      ...{ tenant, provider, name: `${demoName} ${provider}`, credentials: endpoint },
      ...{ publicBaseUrl: null, allow: [], ratePerSecond: null },
    });
    accounts.push({ provider, endpoint: id, sender });
  }
  return { tenant, accounts };
}

async function retireEndpoints(store: RegistryStore, tenant: TenantId): Promise<void> {
  const endpoints = await store.listEndpoints(tenant);
  for (const { id, name, revokedAt } of endpoints) {
    if (revokedAt === null && name.startsWith(`${demoName} `)) await store.revokeEndpoint(id);
  }
}

/** Short-lived tokens for the page, handed out on loopback only. */
export async function demoSessions({ masterKey, config }: Installation, tenant: TenantId) {
  const settings = {
    issuer: config.TRUNKLINE_JWT_ISSUER,
    audience: config.TRUNKLINE_JWT_AUDIENCE,
  };
  const tokens = await createLocalTokens(masterKey.key, settings);
  return {
    tenant,
    async session() {
      const expiresAt = Date.now() + sessionMs;
      const claims = { tenant, role: 'viewer', subject: 'demo' } as const;
      return { token: await tokens.sign(claims, sessionMs), expiresAt };
    },
  };
}

/** Plays calls at a pace a person can follow until the signal aborts. */
export async function playDemo(
  demo: Demo,
  baseUrl: string,
  { logger, signal }: { readonly logger: Logger; readonly signal: AbortSignal },
): Promise<void> {
  const [first, ...rest] = demo.accounts.map(({ provider, endpoint, sender }) => {
    const url = `${baseUrl}/v1/webhooks/${endpoint}`;
    return { provider, url, sender } satisfies SimulatorTarget;
  });
  if (first === undefined) return;
  await runSimulator(
    {
      targets: [first, ...rest],
      seed: randomInt(2 ** 31),
      calls: null,
      rate: 5,
      messages: 0.15,
      duplicates: 0.04,
      reorders: 0.04,
      drops: 0,
      speed: 1,
      maxInFlight: 32,
      finishWithinMs: 700,
      onProgress: (report) => {
        logger.debug({ code: 'demo_progress', ...report }, 'simulated traffic');
      },
    },
    signal,
  );
}
