// Gateway: page cursors. In: the last row of a page and what was asked. Out: opaque text that is worth
// something only to the same tenant, for the same route and filters; anything else reads as null.

import { createHmac, timingSafeEqual } from 'node:crypto';

import { z } from 'zod';

/** What a cursor is bound to. */
export interface CursorScope {
  readonly tenant: string;
  readonly route: string;
  /** The filters as canonical text. */
  readonly filters: string;
}

export interface Cursors {
  encode(scope: CursorScope, last: readonly (string | number)[]): string;
  /** Null when it was made for another scope, altered, or is none. */
  decode(scope: CursorScope, text: string): readonly (string | number)[] | null;
}

const macBytes = 16;
const shape = z.array(z.union([z.string(), z.number()])).max(8);

/** Cursors under `key`: the same on every node of an installation, or they end with the process. */
export function createCursors(key: Buffer): Cursors {
  const mac = (scope: CursorScope, payload: string): Buffer =>
    createHmac('sha256', key)
      .update(JSON.stringify(['cursor/v1', scope.tenant, scope.route, scope.filters, payload]))
      .digest()
      .subarray(0, macBytes);
  return {
    encode(scope, last) {
      const payload = JSON.stringify(last);
      return Buffer.concat([mac(scope, payload), Buffer.from(payload)]).toString('base64url');
    },
    decode(scope, text) {
      if (text.length > 1024 || !/^[\w-]+$/.test(text)) return null;
      const bytes = Buffer.from(text, 'base64url');
      if (bytes.length <= macBytes || bytes.toString('base64url') !== text) return null;
      const payload = bytes.subarray(macBytes).toString('utf8');
      if (!timingSafeEqual(mac(scope, payload), bytes.subarray(0, macBytes))) return null;
      return shape.parse(JSON.parse(payload));
    },
  };
}
