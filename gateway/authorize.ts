// Gateway: what a role may do. In: a role. Out: its permissions. Deny by default: what is not listed
// here is refused (design section 7).

import type { RoleName } from '../runtime/registry.js';

/**
 * What a route or topic asks for. `personal.read`: numbers and texts in the clear. `records.read`: members,
 * subscriptions and invoices: the business of who runs the tenant, not of who watches its calls.
 * `dead_letters.manage`: retrying and discarding what could not be processed; a manager sees it, no more.
 */
export type Permission =
  | 'calls.read'
  | 'messages.read'
  | 'records.read'
  | 'stats.read'
  | 'events.read'
  | 'endpoints.read'
  | 'dead_letters.read'
  | 'dead_letters.manage'
  | 'endpoints.manage'
  | 'stream.subscribe'
  | 'personal.read';

const watching = [
  'calls.read',
  'messages.read',
  'stats.read',
  'events.read',
  'stream.subscribe',
] as const satisfies readonly Permission[];

const permissions: Readonly<Record<RoleName, ReadonlySet<Permission>>> = {
  admin: new Set<Permission>([
    ...watching,
    'records.read',
    'endpoints.read',
    'endpoints.manage',
    'dead_letters.read',
    'dead_letters.manage',
    'personal.read',
  ]),
  manager: new Set<Permission>([
    ...watching,
    'records.read',
    'endpoints.read',
    'endpoints.manage',
    'dead_letters.read',
    'personal.read',
  ]),
  operator: new Set<Permission>([
    ...watching,
    'endpoints.read',
    'dead_letters.read',
    'dead_letters.manage',
    'personal.read',
  ]),
  viewer: new Set<Permission>(watching),
  auditor: new Set<Permission>([
    ...watching,
    'records.read',
    'endpoints.read',
    'dead_letters.read',
  ]),
};

/** True when the role has the permission; a role this table does not know has none. */
export function isAllowed(role: RoleName, permission: Permission): boolean {
  return Object.hasOwn(permissions, role) && permissions[role].has(permission);
}

/** How personal fields are shown: `masked`, or `open` with numbers and texts in the clear. */
export type View = 'masked' | 'open';

/** The view of a role; viewer and auditor see masked forms only. */
export const viewOf = (role: RoleName): View =>
  isAllowed(role, 'personal.read') ? 'open' : 'masked';
