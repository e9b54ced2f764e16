// Redaction: rules of a tenant. In: patterns in RE2's language, which has no backtracking, so that no pattern and no text
// takes more than linear time. Out: candidates. A pattern sees a unit of text, as every built-in rule does.

import { RE2JS } from 're2js';

import type { Candidates } from './candidates.js';
import type { Tokens } from './tokens.js';
import { sure } from './types.js';

/** A rule of the tenant. */
export interface CustomRule {
  /** Its name in spans, e.g. "loyalty-card". */
  readonly name: string;
  /** RE2 syntax, no look-around, no back-references. */
  readonly pattern: string;
}

const maxPattern = 512;
const maxMatch = 256;

/** Why a rule cannot be used; null when it can. */
export function customRuleFault({ name, pattern }: CustomRule): string | null {
  if (!/^[a-z][a-z0-9-]{0,39}$/.test(name)) {
    return 'name: 1 to 40 lower-case letters, digits and hyphens, a letter first';
  }
  if (pattern === '' || pattern.length > maxPattern)
    return `pattern: 1 to ${maxPattern} characters`;
  try {
    return RE2JS.compile(pattern).matcher('').matches()
      ? 'pattern: matches nothing at all, so it would match everywhere'
      : null;
  } catch {
    return 'pattern: is not RE2 syntax (look-around and back-references are not in it)';
  }
}

/** Compiled rules. */
export class CustomRules {
  readonly #rules: readonly { readonly name: string; readonly pattern: RE2JS }[];

  /** A rule with a fault is an error of the caller, who has `customRuleFault` to ask first. */
  constructor(rules: readonly CustomRule[]) {
    this.#rules = rules.map(({ name, pattern }) => ({ name, pattern: RE2JS.compile(pattern) }));
  }

  find(tokens: Tokens, found: Candidates): void {
    if (this.#rules.length === 0 || tokens.count === 0) return;
    const offset = tokens.start(0);
    const text = tokens.textOf(0, tokens.count - 1);
    for (const { name, pattern } of this.#rules) {
      const matcher = pattern.matcher(text);
      while (matcher.find()) {
        const [start, end] = [matcher.start(), matcher.end()];
        if (end === start || end - start > maxMatch) continue;
        found.add({
          start: offset + start,
          end: offset + end,
          type: 'CUSTOM',
          rule: `custom.${name}`,
          score: sure.checked,
        });
      }
    }
  }
}
