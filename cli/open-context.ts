// Command line: the context of the registry commands, on a real installation. In: the configuration and
// the process's streams. Out: what tenant, endpoint, key and token commands need.

import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';

import { createAccountStore } from '../runtime/account-store.js';
import type { Config } from '../runtime/config.js';
import { TrunklineError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';
import { loadMasterKey } from '../runtime/master-key.js';
import { createRegistryStore } from '../runtime/registry-store.js';
import { createLocalTokens } from '../runtime/tokens.js';
import type { CliContext } from './context.js';
import { openInstallation } from './installation.js';

/** Nothing is opened before a command asks. */
export function createCliContext(options: {
  /** Read when a command asks, so that help works under a faulty environment. */
  readonly config: () => Config;
  readonly logger: Logger;
  readonly stdin: NodeJS.ReadableStream;
  readonly print: (line: string) => void;
  readonly note: (line: string) => void;
}): CliContext {
  return {
    openRegistry: async (purpose) => {
      const installation = await openInstallation(options.config(), options.logger, purpose);
      const { database, keyRing } = installation;
      return {
        store: createRegistryStore(database, keyRing),
        accounts: createAccountStore(database, keyRing),
        close: () => installation.close(),
      };
    },
    openTokens: async () => {
      const config = options.config();
      if (config.TRUNKLINE_JWKS_URL !== undefined) {
        throw new TrunklineError(
          'config_invalid',
          'tokens come from the identity provider of TRUNKLINE_JWKS_URL; ask for one there',
        );
      }
      const { key } = await loadMasterKey(config);
      const { TRUNKLINE_JWT_ISSUER: issuer, TRUNKLINE_JWT_AUDIENCE: audience } = config;
      return createLocalTokens(key, { issuer, audience });
    },
    get publicUrl() {
      const config = options.config();
      const local = `http://${config.TRUNKLINE_HOST}:${config.TRUNKLINE_PORT}`;
      return (config.TRUNKLINE_PUBLIC_URL ?? local).replace(/\/+$/, '');
    },
    readText: (file) => (file === '-' ? text(options.stdin) : readFile(file, 'utf8')),
    print: options.print,
    note: options.note,
  };
}
