// Made-up endpoints and records for the tests of ingest.

import { formatHeader } from '../../log/record-header.js';
import type { Logger } from '../../runtime/logger.js';
import type { Endpoint } from '../../runtime/registry.js';
import { endpointId, tenantId } from '../../schemas/ids.js';
import type { FactRecord } from '../../log/fact-record.js';

export function endpoint(change: Partial<Endpoint> = {}): Endpoint {
  return {
    id: endpointId('ep_0000000000000001'),
    tenant: tenantId('acme'),
    provider: 'twilio',
    name: 'main line',
    publicBaseUrl: 'https://hooks.example.test',
    credentials: [],
    allow: [],
    ratePerSecond: null,
    ...change,
  };
}

/** A record with a recognisable value. */
export const record = (value: string, key = 'acme'): FactRecord => ({
  key,
  header: formatHeader({ kind: 'fact' }),
  value: Buffer.from(value),
});

export interface LogLine {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** A logger that remembers its lines. */
export function recordingLogger(): { readonly logger: Logger; readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const write = (level: string) => (fields: object, message: string) => {
    lines.push({ level, fields: { ...fields }, message });
  };
  const logger: Logger = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: () => logger,
  };
  return { logger, lines };
}
