// The command line documents itself: docs/command-line.md is made of every command's help.

import type { Command } from 'commander';
import { expect, test } from 'vitest';

import { createProgram } from '../../cli/program.js';

function commandsOf(command: Command): Command[] {
  const own = command.commands.flatMap(commandsOf);
  return command.commands.length === 0 ? [command] : own;
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.configureHelp({ helpWidth: 96 });
  command.outputHelp();
  return text.trimEnd();
}

const leaves = commandsOf(createProgram());

test('every command says what it is for', () => {
  for (const command of leaves) expect(command.description(), pathOf(command)).not.toBe('');
});

test('docs/command-line.md is the help of every command', async () => {
  const parts = leaves.map(
    (command) => `## ${pathOf(command)}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\``,
  );
  const page = [
    '# Command line',
    '`npx trunkline …` from a checkout after `npm install`, `trunkline …` when installed. Results go to\nstandard output, everything else to standard error.',
    '| Exit code | Meaning |\n| --- | --- |\n| 0 | done |\n| 1 | failed; the line on standard error says why |\n| 2 | the command was not given right |\n| 69 | something it needs is not there: a service, the port, the data directory |\n| 78 | the configuration has faults; all are listed |\n| 130 | stopped by Ctrl-C |',
    ...parts,
  ];
  await expect(`${page.join('\n\n')}\n`).toMatchFileSnapshot('../../docs/command-line.md');
});
