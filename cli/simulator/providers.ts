// Simulator: what can happen at each provider. A provider's scenarios are a file of their own and a line here.

import { TrunklineError } from '../../runtime/errors.js';
import type { ProviderName } from '../../schemas/facts.js';
import type { SimulatedProvider } from './activity.js';
import { simulatedPlivo } from './plivo-scenarios.js';
import { simulatedBandwidth } from './bandwidth-scenarios.js';
import { simulatedCallrail } from './callrail-scenarios.js';
import { simulatedBland } from './bland-scenarios.js';
import { simulatedElevenlabs } from './elevenlabs-scenarios.js';
import { simulatedLivekit } from './livekit-scenarios.js';
import { simulatedRetell } from './retell-scenarios.js';
import { simulatedSignalwire } from './signalwire-scenarios.js';
import { simulatedClerk } from './clerk-scenarios.js';
import { simulatedGenericHmac, simulatedStandardWebhooks } from './open-form-scenarios.js';
import { simulatedStripe } from './stripe-scenarios.js';
import { simulatedTelnyx } from './telnyx-scenarios.js';
import { simulatedTwilio } from './twilio-scenarios.js';
import { simulatedVapi } from './vapi-scenarios.js';
import { simulatedVonage } from './vonage-scenarios.js';

/** Every provider that can be played. */
export const simulatedProviders: readonly SimulatedProvider[] = [
  simulatedTwilio, //
  simulatedTelnyx,
  simulatedVonage,
  simulatedPlivo,
  simulatedBland,
  simulatedVapi,
  simulatedRetell,
  simulatedLivekit,
  simulatedElevenlabs,
  simulatedSignalwire,
  simulatedClerk,
  simulatedStripe,
  simulatedStandardWebhooks,
  simulatedGenericHmac,
  simulatedBandwidth,
  simulatedCallrail,
];

/** Throws `provider_unknown` for one that cannot be played. */
export function simulatedProvider(name: ProviderName): SimulatedProvider {
  const found = simulatedProviders.find(({ provider }) => provider === name);
  if (found !== undefined) return found;
  const names = simulatedProviders.map(({ provider }) => provider).join(', ');
  throw new TrunklineError('provider_unknown', `the simulator plays one of ${names}`);
}
