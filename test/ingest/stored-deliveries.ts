// The stored provider deliveries (test/fixtures/deliveries), as tests use them: as raw deliveries at the endpoint
// whose public URL was signed.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SimulatedAccount } from '../../cli/simulator/activity.js';
import { simulatedProvider } from '../../cli/simulator/providers.js';
import { providerNames } from '../../ingest/providers/registry.js';
import type { Endpoint, LiveCredential } from '../../runtime/registry.js';
import type { ProviderName } from '../../schemas/facts.js';
import { endpointId, tenantId } from '../../schemas/ids.js';
import type { RawDelivery } from '../../schemas/stages.js';

export interface StoredDelivery {
  readonly file: string;
  readonly provider: ProviderName;
  readonly event: string;
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly rawBody: string;
  /** Unix seconds; where the provider signs no time, any clock does. */
  readonly _signedAt: number;
  readonly _expected?: Readonly<Record<string, unknown>>;
  readonly _note?: string;
}

export const deliveriesFolder = join(process.cwd(), 'test/fixtures/deliveries');
/** Of senders without a sheet: made and signed for these tests, in the same form. */
const ownFolder = join(process.cwd(), 'test/fixtures/own-deliveries');
const folders = [deliveriesFolder, ownFolder];

const read = (folder: string, file: string): unknown =>
  JSON.parse(readFileSync(join(folder, file), 'utf8'));

const allSecrets = Object.assign(
  {},
  ...folders.map((folder) => read(folder, '_secrets.json')),
) as Record<string, Record<string, string>>;

/** The invented credentials the stored deliveries of a provider were signed with. */
export function secretsOf(provider: ProviderName): Record<string, string> {
  const found = allSecrets[provider];
  if (found === undefined) throw new Error(`no stored credentials of ${provider}`);
  return found;
}

/** What names an account beside its secret: the stored deliveries repeat it. */
const accountNames: Readonly<Record<string, readonly string[]>> = {
  twilio: ['accountSid'],
  vonage: ['apiKey', 'applicationId'],
  plivo: ['authId'],
  livekit: ['apiKey'],
};

/** Fresh secrets for the account of the stored deliveries: to sign them anew, and to verify them by. */
export function accountOf(provider: ProviderName): SimulatedAccount {
  const { sender, endpoint } = simulatedProvider(provider).newAccount();
  const stored = secretsOf(provider);
  const names = Object.fromEntries(
    (accountNames[provider] ?? []).map((name) => [name, stored[name] ?? '']),
  );
  return { sender: { ...sender, ...names }, endpoint: { ...endpoint, ...names } };
}

/** A credential as the registry hands it out. */
export const live = (value: Readonly<Record<string, string>>, id = '1'): LiveCredential => ({
  id,
  value,
  isRetiring: false,
});

/** For deliveries that sign no time: within a day of what they tell. */
const anyClock = 1_790_848_800;

export const storedDeliveries: readonly StoredDelivery[] = folders
  .flatMap((folder) => readdirSync(folder).map((file) => ({ folder, file })))
  .filter(({ file }) => file.endsWith('.json') && !file.startsWith('_'))
  .map(({ folder, file }) => ({ ...(read(folder, file) as StoredDelivery), file }))
  .map((one) => ({ ...one, _signedAt: (one._signedAt as number | null) ?? anyClock }))
  .filter(({ provider }) => providerNames.includes(provider));

export function stored(file: string): StoredDelivery {
  const found = storedDeliveries.find((delivery) => delivery.file === `${file}.json`);
  if (found === undefined) throw new Error(`no stored delivery ${file}`);
  return found;
}

export const publicBase = 'https://hooks.example.com';

export function endpointOf(
  provider: ProviderName,
  credentials: readonly Record<string, string>[] = [secretsOf(provider)],
): Endpoint {
  return {
    id: endpointId('ep_0000000000000001'),
    tenant: tenantId('acme'),
    provider,
    name: provider,
    publicBaseUrl: publicBase,
    credentials: credentials.map((value, index) => live(value, String(credentials.length - index))),
    allow: [],
    ratePerSecond: null,
  };
}

/** The delivery as it would come off the wire, received the moment it was signed. */
export function rawOf(delivery: StoredDelivery, change: Partial<RawDelivery> = {}): RawDelivery {
  return {
    endpoint: endpointId('ep_0000000000000001'),
    method: delivery.method,
    target: delivery.url.slice(publicBase.length),
    headers: new Map(
      Object.entries(delivery.headers).map(([name, value]) => [name.toLowerCase(), value]),
    ),
    body: Buffer.from(delivery.rawBody, 'utf8'),
    clientAddress: '192.0.2.1',
    receivedAt: delivery._signedAt * 1000 + 250,
    correlationId: 'test',
    ...change,
  };
}
