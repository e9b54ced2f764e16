// Gateway: which pages may open the stream. In: the head of an upgrade. Out: yes or no. Browsers let any
// page connect anywhere and say who it is in Origin alone; programs send none.

import type { HttpRequest } from '../runtime/http.js';

/** Judges an upgrade by its Origin. */
export type OriginRule = (request: Pick<HttpRequest, 'headers'>) => boolean;

/**
 * Allows requests without Origin, pages of the host that was called, and the listed origins
 * (`https://app.example.com`); `*` allows every page.
 */
export function createOriginRule(listed: readonly string[]): OriginRule {
  const origins = new Set(listed.map((text) => text.toLowerCase().replace(/\/$/, '')));
  return ({ headers }) => {
    const origin = headers.get('origin')?.toLowerCase();
    if (origin === undefined || origins.has('*') || origins.has(origin)) return true;
    return URL.canParse(origin) && new URL(origin).host === calledHost(origin, headers.get('host'));
  };
}

/** The Host header without the port that its scheme implies, as `URL.host` gives it. */
function calledHost(origin: string, host: string | undefined): string | null {
  const url = `${origin.startsWith('https:') ? 'https' : 'http'}://${host ?? ''}`;
  return URL.canParse(url) ? new URL(url).host : null;
}
