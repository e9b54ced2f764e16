// `trunkline redact`: text in, text out; lines in, lines out; what is wrong with a line in words.

import { PassThrough, Readable } from 'node:stream';
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';

import { redactLine } from '../../cli/redact-run.js';
import { registerRedactCommand } from '../../cli/redact.js';

async function run(input: string | Buffer, ...args: string[]) {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  let exitCode = 0;
  const program = new Command().exitOverride();
  registerRedactCommand(program, {
    ...{ stdin: Readable.from([Buffer.from(input)], { objectMode: false }), stdout, stderr },
    setExitCode: (code) => (exitCode = code),
  });
  await program.parseAsync(['redact', ...args], { from: 'user' });
  stdout.end();
  const chunks = (await stdout.toArray()) as Buffer[];
  return { out: Buffer.concat(chunks).toString('utf8'), exitCode };
}

interface Answer {
  readonly emitted: readonly string[];
}

const answersOf = (out: string): Answer[] =>
  out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Answer);

test('a text comes out redacted', async () => {
  const { out, exitCode } = await run('my number is five five five, one two three four\nbye\n');
  expect(out).toBe('my number is [PHONE_1]\nbye\n');
  expect(exitCode).toBe(0);
});

test('lines are answered in order, pieces with what left after each', async () => {
  const text = 'my card is 4242 4242 4242 4242 thanks';
  const lines = [
    JSON.stringify({ id: 'a', text }),
    JSON.stringify({ id: 'b', chunks: [text.slice(0, 17), text.slice(17)] }),
  ];
  const { out, exitCode } = await run(`${lines.join('\n')}\n`);
  const answers = answersOf(out);
  const span = {
    start: 11,
    end: 30,
    type: 'CREDIT_CARD',
    label: '[CARD_1]',
    rule: expect.any(String),
  };
  expect(answers[0]).toEqual({ id: 'a', text: 'my card is [CARD_1] thanks', spans: [span] });
  expect(answers[1]).toMatchObject({ id: 'b', text: 'my card is [CARD_1] thanks', spans: [span] });
  expect(answers[1]?.emitted).toHaveLength(2);
  expect(answers[1]?.emitted.join('')).not.toContain('4242');
  expect(exitCode).toBe(0);
});

test('a line that cannot be read is answered with its id and why, the others go on, the exit code is 1', async () => {
  const { out, exitCode } = await run(
    '{"id":1,"text":"hi"}\nnot json\n{"id":3,"text":4}\n{"id":4,"text":"bye"}\n',
  );
  const answers = answersOf(out);
  expect(answers[0]).toEqual({ id: 1, text: 'hi', spans: [] });
  expect(answers[1]).toEqual({ error: 'the line is not JSON' });
  expect(answers[2]).toMatchObject({ id: 3, error: expect.stringContaining('text') });
  expect(answers[3]).toMatchObject({ id: 4, text: 'bye' });
  expect(exitCode).toBe(1);
});

describe('a line', () => {
  test('with neither text nor chunks is an error', () => {
    expect(redactLine('{"id":"x"}', {})).toEqual({
      id: 'x',
      error: expect.stringContaining('"chunks"'),
    });
  });

  test('with a lone surrogate is redacted', () => {
    expect(redactLine(String.raw`{"text":"\ud800 415 555 0132"}`, {})).toMatchObject({
      text: '\ud800 [PHONE_1]',
    });
  });
});

test('a file that is not there is an error of the command', async () => {
  await expect(run('', '/nowhere/at/all.txt')).rejects.toThrow('cannot be read');
});

test('types and rules that are none are refused', async () => {
  await expect(run('', '--keep', 'NAMES')).rejects.toThrow('PERSON');
  await expect(run('', '--rule', 'x=(?=a)')).rejects.toThrow('RE2');
});
