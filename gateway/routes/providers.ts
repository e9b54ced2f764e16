// Gateway: GET /v1/providers. In: nothing. Out: who can deliver to this installation, as people know them.

import { z } from 'zod';

import { defineRoute, jsonAnswer, type Route } from '../http.js';

const providerSchema = z.object({
  /** As endpoints and calls name it. */
  name: z.string(),
  title: z.string(),
  covers: z.array(z.string()),
  /** What its signature binds, in a sentence. */
  verified: z.string(),
  judgedBy: z.string().nullable(),
  addressRanges: z.array(z.string()),
});

/** A provider as it is told; made by the composition from the providers' own files. */
export type ProviderItem = z.output<typeof providerSchema>;

/** The same for every tenant: what this version of the program knows. */
export function providerRoute(providers: readonly ProviderItem[]): Route {
  return defineRoute({
    method: 'GET',
    pattern: '/v1/providers',
    summary: 'Providers whose deliveries are verified here',
    permission: 'calls.read',
    query: z.strictObject({}),
    params: z.object({}),
    answer: { status: 200, schema: z.object({ data: z.array(providerSchema) }) },
    handle: () => jsonAnswer({ data: providers }),
  });
}
