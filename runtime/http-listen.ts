// Listening that fails, in words.

import { TrunklineError } from './errors.js';

/** The port is taken by another process, or the address is none of this machine. */
export const portInUse = (host: string, port: number): TrunklineError =>
  new TrunklineError(
    'port_in_use',
    `cannot listen on ${host}:${port}: the port is taken or the address is not ours; ` +
      'stop the other process or set TRUNKLINE_PORT',
  );
