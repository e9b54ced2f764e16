// Ingest, providers: every provider by name, and the two things ingest asks of the one a delivery is from:
// its facts and its answer.

import { TrunklineError } from '../../runtime/errors.js';
import type { ProviderName } from '../../schemas/facts.js';
import type { MappedDelivery, VerifiedDelivery } from '../../schemas/stages.js';
import { bandwidth } from './bandwidth.js';
import { bland } from './bland.js';
import { callrail } from './callrail.js';
import { elevenlabs } from './elevenlabs.js';
import { testFact } from '../endpoint-test.js';
import { bytesId, notUnderstood, sourceOf } from './fact-base.js';
import { livekit } from './livekit.js';
import type { Acknowledgement, Provider } from './provider.js';
import { plivo } from './plivo.js';
import { retell } from './retell.js';
import { signalwire } from './signalwire.js';
import { clerk } from './clerk.js';
import { genericHmac } from './generic-hmac.js';
import { standardWebhooks } from './standard-webhooks.js';
import { stripe } from './stripe.js';
import { telnyx } from './telnyx.js';
import { twilio } from './twilio.js';
import { vonage } from './vonage.js';
import { vapi } from './vapi.js';

/** The closed set; a new provider adds its file and a line here. */
const all: readonly Provider[] = [
  twilio, //
  telnyx,
  vonage,
  plivo,
  bland,
  vapi,
  retell,
  livekit,
  elevenlabs,
  signalwire,
  clerk,
  stripe,
  standardWebhooks,
  genericHmac,
  bandwidth,
  callrail,
];

const byName: ReadonlyMap<ProviderName, Provider> = new Map(all.map((one) => [one.name, one]));

/** Names of all providers, in the order of their registration. */
export const providerNames: readonly ProviderName[] = all.map(({ name }) => name);

const byAlias: ReadonlyMap<string, ProviderName> = new Map(
  all.flatMap(({ name, aliases }) => aliases.map((alias) => [alias, name] as const)),
);

/** The provider's name for what a person or a file calls it; the text itself where nobody has it. */
export const providerNamed = (text: string): ProviderName => byAlias.get(text) ?? text;

/** Null for a name nobody has, which only a newer version of the program can have stored. */
export const findProvider = (name: ProviderName): Provider | null => byName.get(name) ?? null;

/** The provider of this name; throws `provider_unknown` when there is none. */
export function providerOf(name: ProviderName): Provider {
  const provider = byName.get(name);
  if (provider !== undefined) return provider;
  throw new TrunklineError(
    'provider_unknown',
    `there is no provider of this name; it is one of ${providerNames.join(', ')}`,
  );
}

/**
 * The facts of a verified delivery, at least one. Never throws: what a mapping cannot read, or fails
 * on, becomes a fact that says so, without any value of the content.
 */
export function mapDelivery(delivery: VerifiedDelivery): MappedDelivery {
  const { map, mappingVersion } = providerOf(delivery.provider);
  const test = testFact(delivery);
  if (test !== null) return { facts: [test], mappingVersion };
  try {
    return { facts: map(delivery), mappingVersion };
  } catch {
    const externalId = ['failed', bytesId(delivery.raw.body), bytesId(delivery.url)];
    const reason = 'the mapping failed on this content';
    return { facts: [notUnderstood(sourceOf(delivery), { reason, externalId })], mappingVersion };
  }
}

/** The 2xx in the provider's form, e.g. empty TwiML where Twilio waits for instructions. */
export function acknowledgement(delivery: VerifiedDelivery): Acknowledgement {
  return providerOf(delivery.provider).acknowledge(delivery);
}
