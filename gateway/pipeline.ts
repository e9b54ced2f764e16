// Gateway: its table of contents. The way of a live frame, in order:
//
//   start-marks     where the log is read from: the lowest mark of the read models
//   feed            the log into the rings, and to those who are live
//   ring            the last events of each tenant
//   fan-out         publish groups: one frame for everybody who sees the same
//   authenticate    who is asking        authorize   what the role may see
//   socket          one connection       sockets     all of them
//   snapshots       rows and their position, from one transaction
//   subscribe       snapshot → events since → live
//   conflate        what a slow reader still needs
//   stats-feed      live statistics
//
// and of an answer: http → routes/* → read → read-models → views.

import type { RouterDeps, Route } from './http.js';
import type { ListDeps } from './list.js';
import { callRoutes } from './routes/calls.js';
import { deadLetterRoutes, type DeadLetterDeps } from './routes/dead-letters.js';
import { endpointRoute } from './routes/endpoints.js';
import { eventRoute } from './routes/events.js';
import { messageRoute } from './routes/messages.js';
import { providerRoute, type ProviderItem } from './routes/providers.js';
import { recordRoutes } from './routes/records.js';
import { refusalRoute } from './routes/refusals.js';
import { statsRoute } from './routes/stats.js';
import { systemRoutes, type SystemDeps } from './routes/system.js';
import { ticketRoute } from './routes/tickets.js';
import type { Registry } from '../runtime/registry.js';
import type { Stream } from './subscribe.js';

export interface RouteDeps {
  readonly list: ListDeps;
  readonly deadLetters: Pick<DeadLetterDeps, 'facts' | 'partitions' | 'logger'>;
  readonly router: RouterDeps;
  readonly registry: Registry;
  readonly providers: readonly ProviderItem[];
  readonly stream: Stream;
  readonly system: SystemDeps;
}

/** Every route of the API, in the order of its documentation. */
export const routesOf = (deps: RouteDeps): readonly Route[] => [
  ...callRoutes(deps.list),
  messageRoute(deps.list),
  ...recordRoutes(deps.list),
  statsRoute(deps.list),
  ...deadLetterRoutes({ ...deps.list, ...deps.deadLetters }),
  endpointRoute(deps.registry, deps.list.database),
  refusalRoute(deps.list, deps.providers),
  providerRoute(deps.providers),
  eventRoute(deps.stream),
  ticketRoute(deps.router.authenticator),
  ...systemRoutes(deps.system),
];
