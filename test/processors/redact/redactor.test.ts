// The engine: labels, spans, echoes, corrections, profiles, rules of the tenant, and texts made to slow it down.

import { expect, test } from 'vitest';

import { customRuleFault } from '../../../processors/redact/custom.js';
import { Redactor, redactText } from '../../../processors/redact/redactor.js';

test('spans have UTF-16 offsets of the input, a label and a rule, and no value', () => {
  const text = '😀 call 415 555 0132';
  const { text: redacted, spans } = redactText(text);
  expect(redacted).toBe('😀 call [PHONE_1]');
  expect(spans).toEqual([
    { start: 8, end: 20, type: 'PHONE_NUMBER', label: '[PHONE_1]', rule: 'phone.cue' },
  ]);
});

test('the same value has the same label in the whole call, written or said', () => {
  const redactor = new Redactor();
  const say = (text: string): string => redactor.push(text).text + redactor.flush().text;
  expect(say('my number is 415 555 0132')).toBe('my number is [PHONE_1]');
  expect(say('that is four one five five five five oh one three two')).toBe('that is [PHONE_1]');
  expect(say('or 415 555 0199')).toBe('or [PHONE_2]');
  expect(say('mail john@example.com')).toBe('mail [EMAIL_1]');
  expect(say('so john at example dot com')).toBe('so [EMAIL_1]');
});

test('an agent who repeats the end of a number or a name says nothing new', () => {
  const redactor = new Redactor();
  const say = (text: string): string => redactor.push(text).text + redactor.flush().text;
  say('my name is Xanthe Ollerenshaw and my phone is 415 555 0132');
  expect(say('so that ends with zero one three two')).toContain('[PHONE_1]');
  expect(say('thank you ollerenshaw')).toBe('thank you [PERSON_1]');
});

test('a correction leaves neither value', () => {
  const { text } = redactText(
    'it is four one five, five five five, no wait sorry, five five six, oh one three two',
  );
  expect(text).toBe('it is [PHONE_1]');
});

test('a name that is spelled is masked, an "o" among letters is one', () => {
  expect(redactText('it is D E L A C R O I X').text).toBe('it is [PERSON_1]');
});

test('digits of other scripts are digits', () => {
  expect(redactText('my card is ４２４２ ４２４２ ４２４２ ４２４２').text).toBe(
    'my card is [CARD_1]',
  );
});

test('after a cue a card that was heard wrong is masked, without one it needs its check digit', () => {
  expect(redactText('card number is 4242 4242 4242 424').text).toBe('card number is [CARD_1]');
  expect(redactText('Order 8821-4477-0093 shipped on Tuesday').text).toContain('8821-4477-0093');
});

test('the profile of logs takes structured values alone', () => {
  const options = { profile: 'logs' } as const;
  const line = 'GET /v1/calls?to=+14155550132 from 192.168.0.1 by Dana: job 1234567 took 42 ms';
  expect(redactText(line, options).text).toBe(
    'GET /v1/calls?to=[PHONE_1] from [IP_1] by Dana: job 1234567 took 42 ms',
  );
});

test('types that are kept stay in the text', () => {
  const keep = new Set(['LOCATION'] as const);
  expect(redactText('My friend lives in Lyon', { keep }).text).toBe('My friend lives in Lyon');
});

test('a rule of the tenant is found; what is no RE2 is said to be none', () => {
  const rules = [{ name: 'loyalty', pattern: 'LC-[0-9]{6}' }];
  expect(redactText('it is LC-123456', { rules }).text).toBe('it is [CUSTOM_1]');
  expect(customRuleFault({ name: 'loyalty', pattern: 'LC-[0-9]{6}' })).toBeNull();
  expect(customRuleFault({ name: 'x', pattern: '(?=a)b' })).toContain('RE2');
  expect(customRuleFault({ name: 'x', pattern: 'a*' })).toContain('everywhere');
  expect(customRuleFault({ name: 'X', pattern: 'a' })).toContain('name');
});

test('a catastrophic pattern of a tenant costs what the text is long', () => {
  const rules = [{ name: 'evil', pattern: '(a+)+$' }];
  expect(redactText(`${'a'.repeat(5000)}!`, { rules }).spans).toEqual([]);
});

const adversarial: Readonly<Record<string, string>> = {
  'numbers without end': '12 ',
  'hyphenated digits': '1-',
  'letters and digits': 'A1',
  'ats and dots': 'at dot ',
  'addresses that do not come': '5 street ',
  'domains without end': 'a.',
  'number words and corrections': 'five no wait sorry ',
  colons: 'ab:',
};

/** User time of the best of three readings of a text, in milliseconds. */
function cost(text: string): number {
  const once = (): number => {
    const before = process.cpuUsage();
    redactText(text);
    return process.cpuUsage(before).user / 1000;
  };
  return Math.min(once(), once(), once());
}

test.each(Object.keys(adversarial))('%s cost what they are long', (name) => {
  const atom = adversarial[name] ?? '';
  const sized = (size: number): string => atom.repeat(Math.ceil(size / atom.length));
  cost(sized(16_000));
  const [small, large] = [cost(sized(10_000)), cost(sized(80_000))];
  // Eight times the text: linear is 8, quadratic would be 64.
  expect(large / Math.max(small, 2)).toBeLessThan(24);
});
