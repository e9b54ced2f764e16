// Command line: the program. In: the process's streams and environment. Out: every verb, registered;
// nothing is opened before a verb asks.

import { createInterface } from 'node:readline/promises';

import { Command } from 'commander';

import { configWith, requireConfig } from './environment.js';
import { openInstallation, type Installation } from './installation.js';
import { registerDeadLetterCommands } from './dead-letters.js';
import { registerAccountCommands } from './account.js';
import { registerDoctorCommand } from './doctor.js';
import { registerEndpointCommands } from './endpoint.js';
import { registerKeyCommands } from './key.js';
import { registerImportCommand } from './import.js';
import { registerLogCommands } from './log.js';
import { createCliContext } from './open-context.js';
import { endpointIn } from './open-endpoint.js';
import { registerPolicyCommands } from './policy.js';
import { registerProjectionCommands } from './projections.js';
import { registerReconcileCommand } from './reconcile.js';
import { registerRedactCommand } from './redact.js';
import { registerServeCommand } from './serve.js';
import { openReconcile } from './open-reconcile.js';
import { openLog } from './open-log.js';
import { registerSimulateCommand } from './simulate.js';
import { registerSpoolCommands } from './spool.js';
import { registerTenantCommands } from './tenant.js';
import { registerTokenCommands } from './token.js';
import { version } from './version.js';
import { registerWebhookCommands } from './webhook.js';
import { evolver } from '../processors/evolver.js';
import { stopOnSignals } from '../runtime/lifecycle.js';
import { createLogger } from '../runtime/logger.js';
import { parseEndpointId, type EndpointId } from '../schemas/ids.js';

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Opens what a command needs beside or without a running `serve`. */
async function open(purpose: string): Promise<Installation> {
  const config = requireConfig(configWith());
  return openInstallation(config, createLogger({ level: 'warn' }), purpose);
}

async function openWithLog(purpose: string) {
  const installation = await open(purpose);
  const [log, codec] = await Promise.all([installation.openLog(), installation.openCodec()]);
  const { database, keyRing } = installation;
  const close = async (): Promise<void> => {
    await log.close();
    await installation.close();
  };
  return { log, codec, database, keyRing, evolver, close };
}

/** The log alone, for a command that needs no database where the log is Kafka. */
async function openLogAlone() {
  const config = requireConfig(configWith());
  if (config.KAFKA_BROKERS.length === 0) return openWithLog('spool drain');
  const log = await openLog({ config, databaseUrl: '', logger: createLogger({ level: 'error' }) });
  return { log, close: () => log.close() };
}

async function findEndpoint(id: string) {
  const installation = await open('webhook');
  try {
    const parsed = parseEndpointId(id);
    return parsed === null ? null : await endpointIn(installation, parsed);
  } finally {
    await installation.close();
  }
}

async function openForImport() {
  const installation = await open('import');
  const { keyRing } = installation;
  const [log, codec] = await Promise.all([installation.openLog(), installation.openCodec()]);
  return {
    ...{ log, codec, keyRing },
    endpoint: async (id: EndpointId) => (await endpointIn(installation, id))?.endpoint ?? null,
    async close() {
      await log.close();
      await installation.close();
    },
  };
}

/** The program with all its commands; docs/command-line.md is made of their help. */
export function createProgram(): Command {
  const { signal } = lazySignal();
  const commands = new Command('trunkline')
    .description(
      'Signed telephony webhooks in; provable call state, read models and live frames out.',
    )
    .version(version)
    .showHelpAfterError('(add --help for usage)')
    .exitOverride();
  const progress = (line: string): void => {
    process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${line}` : `${line}\n`);
  };
  const streams = {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    setExitCode: (code: number): void => {
      process.exitCode = code;
    },
  };
  const config = () => requireConfig(configWith());
  const context = createCliContext({
    config,
    logger: createLogger({ level: 'warn' }),
    stdin: process.stdin,
    print,
    note: (line) => {
      process.stderr.write(`${line}\n`);
    },
  });
  registerServeCommand(commands);
  registerTenantCommands(commands, context);
  registerEndpointCommands(commands, context);
  registerAccountCommands(commands, context);
  registerKeyCommands(commands, context);
  registerTokenCommands(commands, context);
  registerSimulateCommand(commands, { ...streams, signal });
  registerWebhookCommands(commands, { ...streams, endpoint: findEndpoint });
  registerPolicyCommands(commands, { ...streams, print, note: (line) => context.note(line) });
  registerRedactCommand(commands, streams);
  registerImportCommand(commands, {
    ...{ open: openForImport, signal, print, progress, stdin: streams.stdin },
    dataDirectory: () => config().TRUNKLINE_DATA,
    logger: createLogger({ level: 'warn' }),
    note: (line) => context.note(line),
    setExitCode: streams.setExitCode,
  });
  registerLogCommands(commands, { open: () => openWithLog('log'), signal, print });
  registerSpoolCommands(commands, {
    ...{ openLog: openLogAlone, config, signal, print, progress },
    logger: createLogger({ level: 'warn' }),
    note: (line) => context.note(line),
  });
  registerReconcileCommand(commands, {
    open: async (isDry) => openReconcile(await open('reconcile'), isDry),
    ...{ signal, print, progress },
    note: (line) => context.note(line),
  });
  const openProjections = () => openWithLog('projections');
  registerProjectionCommands(commands, { open: openProjections, signal, print, progress });
  registerDeadLetterCommands(commands, {
    ...{ open: () => openWithLog('dead-letters'), signal, print, confirm: confirmOnTerminal },
    note: (line) => context.note(line),
    setExitCode: streams.setExitCode,
  });
  registerDoctorCommand(commands, print);
  return commands;
}

/** Null where nobody sits at a terminal. */
async function confirmOnTerminal(question: string): Promise<boolean | null> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return null;
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await asking.question(`${question} [y/N] `)).trim());
  } finally {
    asking.close();
  }
}

/** Aborts on Ctrl-C for every command but `serve`, which has its own. */
function lazySignal(): { readonly signal: AbortSignal } {
  return process.argv[2] === 'serve' ? { signal: new AbortController().signal } : stopOnSignals();
}
