// Command line: a start while a part is away. Comes in: how to open the part. Goes out: the part, once it
// answers; until then a process that is alive, not ready, and says what it waits for.

import { aliveAnswer, readyAnswer } from '../runtime/system-answers.js';
import type { Config } from '../runtime/config.js';
import { toError, TrunklineError } from '../runtime/errors.js';
import { createHttpServer } from '../runtime/http.js';
import type { Logger } from '../runtime/logger.js';
import { pause } from '../log/pause.js';

export interface StartWaitOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** A stop while it waits ends the start. */
  readonly signal: AbortSignal;
}

const retryMs = { first: 250, most: 5_000 } as const;

/**
 * Opens a part, and tries again while it is away (`service_unreachable`) for TRUNKLINE_START_WAIT; then,
 * and for any other fault at once, rejects with what the part said. Supervisors would start the process
 * again and again, each time from nothing; meanwhile /health/ready says which part is missed.
 */
export async function untilThere<T>(
  part: string,
  open: () => Promise<T>,
  { config, logger, signal }: StartWaitOptions,
): Promise<T> {
  const deadline = performance.now() + config.TRUNKLINE_START_WAIT;
  let room: WaitingRoom | null = null;
  try {
    for (let waitMs: number = retryMs.first; ; waitMs = Math.min(waitMs * 2, retryMs.most)) {
      try {
        return await open();
      } catch (thrown) {
        // A stop while a part was asked for is a stop, whatever the part said.
        signal.throwIfAborted();
        const isOver = performance.now() >= deadline;
        if (isOver || !isAway(thrown)) throw thrown;
        const detail = toError(thrown).message;
        if (room === null) logger.warn({ code: 'start_waits', part, detail }, 'waiting for a part');
        room ??= await openWaitingRoom(config);
        room.tell(part, detail);
        await pause(waitMs, signal);
        signal.throwIfAborted();
      }
    }
  } finally {
    if (room !== null) logger.info({ code: 'start_goes_on', part }, 'the wait is over');
    room?.close();
  }
}

/** A server that answers and refuses (password, database) is not away: waiting would help nobody. */
function isAway(thrown: unknown): boolean {
  if (!(thrown instanceof TrunklineError) || !thrown.retryable) return false;
  const { cause } = thrown;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return !/^(28|3D)/.test(code);
}

interface WaitingRoom {
  tell(part: string, detail: string): void;
  close(): void;
}

/** The port of the process, where whoever looks learns what it waits for. */
async function openWaitingRoom(config: Config): Promise<WaitingRoom> {
  const server = await createHttpServer({ trustedProxies: [] });
  let missing = { part: 'start', detail: '' };
  server.route({ method: 'GET', pattern: '/health' }, aliveAnswer);
  server.route({ method: 'GET', pattern: '/health/ready' }, () => {
    const { part, detail } = missing;
    return readyAnswer([{ name: part, ok: false, status: 'failed', detail: `waiting: ${detail}` }]);
  });
  // Port 0 would be another one each time, and nobody could know it.
  if (config.TRUNKLINE_PORT !== 0)
    await server.listen(config.TRUNKLINE_HOST, config.TRUNKLINE_PORT);
  return {
    tell: (part, detail) => void (missing = { part, detail }),
    close: () => {
      server.close();
    },
  };
}
