// The gates beside the clocks: refusals, consent, caps, budgets, guardrails, overrides, and how they combine.

import { describe, expect, test } from 'vitest';

import {
  consentAt,
  consentGate,
  evolveConsent,
  type ConsentRecord,
} from '../../../processors/policy/consent.js';
import { decide, type DecideContext } from '../../../processors/policy/decide.js';
import type { Standing } from '../../../processors/policy/gates.js';
import { overrideFaults, type Override } from '../../../processors/policy/guardrails.js';
import {
  capAllowsAt,
  countAttempt,
  judgeBudget,
  noSpending,
  spend,
} from '../../../processors/policy/limits.js';
import { readQuestion } from '../../../processors/policy/question.js';
import { judgeRecording, readRecordingRules } from '../../../processors/policy/recording.js';
import recording from '../../../processors/policy/rules/recording-consent.json' with { type: 'json' };
import {
  evolveSuppression,
  noSuppression,
  optOutOfError,
  suppressedBy,
  type SuppressionEvent,
} from '../../../processors/policy/suppression.js';
import { context, type Asked } from './asking.js';

const noon = Date.parse('2026-06-10T16:00:00Z'); // a Wednesday, 12:00 in New York
const hour = 3_600_000;
const day = 24 * hour;

function judge(asked: Asked, standing: Standing, more: Partial<DecideContext> = {}) {
  const input = {
    to: '+12125550100',
    at: new Date(noon).toISOString(),
    channel: 'sms',
    purpose: 'marketing',
  };
  const reading = readQuestion({ ...input, ...asked }, context.numbering);
  if (!reading.ok) throw new Error(reading.detail);
  return decide(reading.question, standing, { ...context, ...more });
}

describe('refusals', () => {
  const no = (
    more: Partial<Extract<SuppressionEvent, { type: 'opted_out' }>> = {},
  ): SuppressionEvent => ({
    ...{ type: 'opted_out', id: 'ev_1', at: noon, source: 'keyword', over: 'sms', programme: null },
    ...more,
  });
  const yes = (
    more: Partial<Extract<SuppressionEvent, { type: 'opted_in' }>> = {},
  ): SuppressionEvent => ({
    ...{
      type: 'opted_in',
      id: 'ev_2',
      at: noon + 1,
      source: 'keyword',
      over: 'sms',
      programme: null,
    },
    ...more,
  });
  const after = (events: readonly SuppressionEvent[], revokeAll = false) =>
    events.reduce((state, event) => evolveSuppression(state, event, { revokeAll }), noSuppression);
  const text = { channel: 'sms', purpose: 'marketing', programme: null } as const;
  const call = { ...text, channel: 'voice' } as const;

  test('a STOP by text stops texts; with revoke-all, everything', () => {
    expect(suppressedBy(after([no()]), text)?.id).toBe('ev_1');
    expect(suppressedBy(after([no()]), call)).toBeNull();
    expect(suppressedBy(after([no()], true), call)?.id).toBe('ev_1');
  });

  test('"do not call" by voice stops every channel', () => {
    const state = after([no({ over: 'voice', source: 'speech' })]);
    expect(suppressedBy(state, text)?.id).toBe('ev_1');
    expect(suppressedBy(state, call)?.id).toBe('ev_1');
  });

  test('START lifts what its channel may lift, and nothing that came later', () => {
    expect(suppressedBy(after([no(), yes()]), text)).toBeNull();
    expect(suppressedBy(after([no(), yes({ at: noon - 1 })]), text)?.id).toBe('ev_1');
    expect(suppressedBy(after([no({ over: 'voice' }), yes()]), text)?.id).toBe('ev_1');
    expect(suppressedBy(after([no({ over: null, source: 'import' }), yes()]), text)?.id).toBe(
      'ev_1',
    );
    expect(suppressedBy(after([no(), yes({ programme: 'news' })]), text)?.id).toBe('ev_1');
  });

  test('a refusal of one programme leaves the others', () => {
    const state = after([no({ programme: 'news' })]);
    expect(suppressedBy(state, { ...text, programme: 'news' })?.id).toBe('ev_1');
    expect(suppressedBy(state, { ...text, programme: 'bills' })).toBeNull();
    // Which programme a contact is of is not known: it may be the refused one.
    expect(suppressedBy(state, text)?.id).toBe('ev_1');
  });

  test('nothing expires, the same event twice is one, a carrier’s error is the same refusal', () => {
    const state = after([no(), no()]);
    expect(state.standing).toHaveLength(1);
    const late = judge({ at: '2099-06-10T16:00:00Z' }, { suppression: state });
    expect(late).toMatchObject({ verdict: 'blocked', until: null });
    for (const [provider, code] of [
      ['twilio', '21610'],
      ['telnyx', '40300'],
    ] as const) {
      const event = optOutOfError(provider, code, { id: 'ev_9', at: noon });
      expect(event).toEqual(no({ id: 'ev_9', source: 'carrier' }));
    }
    expect(optOutOfError('twilio', '30610', { id: 'ev_9', at: noon })).toBeNull();
    expect(optOutOfError('constructor', 'name', { id: 'ev_9', at: noon })).toBeNull();
  });

  test('the one confirmation passes, marketing in its place does not', () => {
    const state = after([no()]);
    const confirm = { ...text, purpose: 'service', confirms: 'ev_1' } as const;
    expect(suppressedBy(state, confirm)).toBeNull();
    expect(suppressedBy(state, { ...confirm, purpose: 'marketing' })?.id).toBe('ev_1');
    expect(suppressedBy(state, { ...confirm, confirms: 'ev_0' })?.id).toBe('ev_1');
  });

  test('a reply that may be a refusal stops marketing until it is read', () => {
    const state = after([{ type: 'review_wanted', id: 'ev_3', at: noon }]);
    expect(suppressedBy(state, text)?.id).toBe('ev_3');
    expect(suppressedBy(state, { ...text, purpose: 'service' })).toBeNull();
    const read = evolveSuppression(
      state,
      { type: 'review_done', id: 'ev_4', at: noon },
      { revokeAll: false },
    );
    expect(suppressedBy(read, text)).toBeNull();
  });
});

describe('consent', () => {
  const record = (more: Partial<ConsentRecord> = {}): ConsentRecord => ({
    ...{
      id: 'co_1',
      purpose: 'market_sms',
      state: 'granted',
      method: 'web',
      evidence: 'sha256:00',
    },
    ...{ region: 'US-CT', disclosure: '3', at: noon, expiresAt: null, ...more },
  });

  test('holds from its instant to its end, and the later record wins', () => {
    const state = evolveConsent({}, record({ expiresAt: noon + day }));
    expect(consentAt(state, 'market_sms', noon - 1)).toBe('none');
    expect(consentAt(state, 'market_sms', noon)).toBe('granted');
    expect(consentAt(state, 'market_sms', noon + day - 1)).toBe('granted');
    expect(consentAt(state, 'market_sms', noon + day)).toBe('expired');
    expect(consentAt(state, 'market_voice', noon)).toBe('none');
    const withdrawn = record({ id: 'co_2', state: 'withdrawn', at: noon + 1 });
    const both = evolveConsent(evolveConsent({}, withdrawn), record());
    expect(consentAt(both, 'market_sms', noon + 2)).toBe('withdrawn');
    expect(consentAt(evolveConsent(both, record({ at: noon + 1 })), 'market_sms', noon + 2)).toBe(
      'withdrawn',
    );
  });

  test('a refusal stops, also where no consent is needed; anything but a yes stops where it is', () => {
    const allowed = (required: boolean) =>
      (['granted', 'denied', 'withdrawn', 'expired', 'pending', 'none'] as const).filter(
        (standing) => consentGate(standing, required).isAllowed,
      );
    expect(allowed(true)).toEqual(['granted']);
    expect(allowed(false)).toEqual(['granted', 'expired', 'pending', 'none']);
  });

  test('Connecticut and France need it by law', () => {
    const consent = { state: {}, isRequired: false };
    expect(judge({}, { consent }).verdict).toBe('approved');
    expect(judge({ to: '+12035550100' }, { consent }).verdict).toBe('blocked');
    const granted = { state: evolveConsent({}, record({ at: noon - day })), isRequired: false };
    expect(judge({ to: '+12035550100' }, { consent: granted }).verdict).toBe('approved');
    const paris = { to: '+33612345678', channel: 'voice', at: '2026-08-10T09:00:00Z' };
    expect(judge(paris, { consent }).verdict).toBe('approved');
    expect(judge({ ...paris, at: '2026-08-11T09:00:00Z' }, { consent }).verdict).toBe('blocked');
    expect(judge({ ...paris, at: '2026-08-11T09:00:00Z' }, {}).notes.join()).toContain(
      'only with prior consent',
    );
  });
});

describe('recording', () => {
  const rules = readRecordingRules(recording);
  const end = (
    region: string | null,
    consent: ConsentRecord['state'] | 'none' = 'none',
    country: string | null = 'US',
  ) => ({
    ...{ country, region, consent },
  });
  const silent = { isAnnounced: false, isObjected: false };
  const announced = { isAnnounced: true, isObjected: false };
  const verdict = (ends: ReturnType<typeof end>[], facts = silent) =>
    judgeRecording(ends, facts, rules).verdict;

  test('the stricter end wins', () => {
    expect(verdict([end('NY'), end('TX')])).toBe('allowed');
    for (const { state } of recording.allParty) {
      expect(verdict([end('NY'), end(state)]), state).toBe('announce_first');
      expect(verdict([end(state), end('NY')], announced), state).toBe('allowed');
    }
    expect(recording.allParty).toHaveLength(13);
  });

  test('a place that is not known is all-party', () => {
    for (const ends of [
      [],
      [end('NY')],
      [end('NY'), end(null)],
      [end('NY'), end(null, 'none', null)],
    ]) {
      expect(verdict(ends)).toBe('announce_first');
    }
  });

  test('a refusal or an objection ends it, consent of all needs no announcement', () => {
    expect(verdict([end('NY'), end('TX', 'denied')])).toBe('blocked');
    expect(verdict([end('CA', 'granted'), end('TX', 'withdrawn')], announced)).toBe('blocked');
    expect(verdict([end('CA'), end('TX')], { isAnnounced: true, isObjected: true })).toBe(
      'blocked',
    );
    expect(verdict([end('CA', 'granted'), end('TX', 'granted')])).toBe('allowed');
  });

  test('in the European Union staying on the line is no consent', () => {
    expect(verdict([end('NY'), end(null, 'none', 'DK')], announced)).toBe('blocked');
    expect(verdict([end('NY', 'granted'), end(null, 'granted', 'DK')])).toBe('allowed');
  });
});

describe('caps', () => {
  const cap = { id: 'CAP', max: 3, windowMs: day, source: 'test' };

  test('counts any window of that length, to the millisecond', () => {
    const past = [noon - 23 * hour, noon - 2 * hour, noon - hour];
    expect(capAllowsAt(cap, past.slice(1), noon)).toBe(noon);
    expect(capAllowsAt(cap, past, noon)).toBe(noon + hour);
    expect(capAllowsAt(cap, past, noon + hour)).toBe(noon + hour);
    expect(capAllowsAt(cap, past, noon + hour - 1)).toBe(noon + hour);
    expect(capAllowsAt(cap, [noon + 5, noon - 1, noon - 2], noon)).toBe(noon - 2 + day);
    expect(countAttempt([noon - 2 * day, noon - hour], noon, day)).toEqual([noon - hour, noon]);
  });

  test('Florida’s three in a day defer to an hour that is open', () => {
    const past = [noon - 3 * hour, noon - 2 * hour, noon - hour];
    const verdict = judge({ to: '+13055550100' }, { attempts: { past, caps: [] } });
    expect(verdict).toMatchObject({ verdict: 'deferred', until: noon - 3 * hour + day });
    expect(verdict.rules[0]?.id).toBe('US-FL-CAP');
    expect(judge({}, { attempts: { past, caps: [] } }).verdict).toBe('approved');
    const late = {
      past: [0, 1, 2].map((n) => noon + 7 * hour - day + n * 1_000),
      caps: [{ ...cap, windowMs: day + 2 * hour }],
    };
    // The cap ends at 21:00 in New York: the next hour that is open is 8:00.
    expect(judge({}, { attempts: late }).until).toBe(Date.parse('2026-06-11T12:00:00Z'));
  });
});

describe('budgets', () => {
  const zone = 'America/New_York';
  const budget = { daily: 100, monthly: 1_000, zone };
  const spent = (amount: number, at = noon) => spend(noSpending, zone, at, amount);

  test('warn at 90 %, stop at what would go over 100 %', () => {
    expect(judgeBudget(budget, spent(80), noon, 9).state).toBe('free');
    expect(judgeBudget(budget, spent(80), noon, 10)).toMatchObject({
      state: 'warned',
      which: 'day',
    });
    expect(judgeBudget(budget, spent(80), noon, 20).state).toBe('warned');
    expect(judgeBudget(budget, spent(80), noon, 21)).toEqual({
      ...{ state: 'stopped', which: 'day', until: Date.parse('2026-06-11T04:00:00Z') },
    });
  });

  test('days and months are those of the tenant’s zone', () => {
    const midnight = Date.parse('2026-06-11T04:00:00Z');
    expect(judgeBudget(budget, spent(100), midnight - 1, 1).state).toBe('stopped');
    expect(judgeBudget(budget, spent(100), midnight, 1).state).toBe('free');
    const full = spent(1_000);
    expect(judgeBudget({ ...budget, daily: null }, full, noon, 1)).toMatchObject({
      ...{ which: 'month', until: Date.parse('2026-07-01T04:00:00Z') },
    });
    expect(judgeBudget(budget, full, Date.parse('2026-07-01T04:00:00Z'), 1).state).toBe('free');
  });

  test('the price settles what was estimated, and a late one leaves the new day alone', () => {
    const settled = spend(spent(80), zone, noon + 1, -30);
    expect(settled).toMatchObject({ daySpent: 50, monthSpent: 50 });
    const nextDay = spend(settled, zone, noon + day, 10);
    expect(spend(nextDay, zone, noon, 5)).toMatchObject({ daySpent: 10, monthSpent: 65 });
  });

  test('a stop defers to the next day’s open hours; no budget at all never opens', () => {
    const limit = { daily: 100, monthly: null, zone };
    const standing = { budget: { limit, spent: spent(100), amount: 1 } };
    expect(judge({}, standing)).toMatchObject({
      verdict: 'deferred',
      until: Date.parse('2026-06-11T12:00:00Z'),
    });
    expect(judgeBudget({ ...limit, daily: 0 }, noSpending, noon, 0).state).toBe('stopped');
  });
});

describe('guardrails', () => {
  test.each([
    ['kill switch', { killSwitch: { by: 'ops', reason: 'incident' } }, 'KILL-SWITCH'],
    ['purposes', { purposes: ['service' as const] }, 'PURPOSES'],
    ['countries', { countries: ['CA'] }, 'COUNTRIES'],
  ])('%s', (_, guardrails, id) => {
    const { verdict, rules } = judge({}, { guardrails });
    expect([verdict, rules[0]?.id]).toEqual(['blocked', id]);
  });

  test('a freephone number is outside any list that lacks one of its countries', () => {
    const freephone = { to: '+18005550100', at: '2026-11-24T20:00:00Z' };
    expect(judge(freephone, { guardrails: { countries: ['US'] } }).verdict).toBe('blocked');
    expect(judge(freephone, { guardrails: { countries: ['US', 'CA'] } }).verdict).toBe('approved');
  });

  test('hours of a tenant add to the law’s', () => {
    const [own] = context.rules;
    if (own === undefined) throw new Error('no rules');
    const nine = [[540, 600]] as const;
    const allowed = { mon: nine, tue: nine, wed: nine, thu: nine, fri: nine, sat: nine, sun: nine };
    const guardrails = { hours: [{ ...own, id: 'TENANT-HOURS', allowed }] };
    expect(judge({}, { guardrails }).until).toBe(Date.parse('2026-06-11T13:00:00Z'));
  });
});

describe('region holds', () => {
  const hold = {
    id: 'HOLD-1',
    country: 'US',
    region: 'NY',
    from: noon - day,
    until: noon + day,
    reason: 'storm',
  };

  test('stop a region until they end, and then the clocks decide', () => {
    const holds = [{ ...hold, until: noon + 10 * hour }];
    expect(judge({}, {}, { holds })).toMatchObject({
      verdict: 'deferred',
      until: Date.parse('2026-06-11T12:00:00Z'),
    });
    expect(judge({ to: '+13055550100' }, {}, { holds }).verdict).toBe('approved');
    expect(judge({}, {}, { holds: [{ ...hold, region: null }] }).until).toBe(noon + day);
  });

  test('one without an end blocks', () => {
    expect(judge({}, {}, { holds: [{ ...hold, until: null }] })).toMatchObject({
      verdict: 'blocked',
    });
  });
});

describe('overrides', () => {
  const night = { at: '2026-06-11T02:00:00Z' };
  const override: Override = {
    ...{ id: 'ov_1', actor: 'us_1', role: 'manager', reasonCode: 'safety', reason: 'gas leak' },
    ...{
      recipient: '+12125550100',
      rules: ['DEFAULT', 'US-FED'],
      from: Date.parse(night.at),
      minutes: 30,
    },
  };

  test('lift the named rules, for one recipient, for minutes', () => {
    const found = judge(night, {}, { overrides: [override] });
    expect(found.verdict).toBe('approved');
    expect(found.rules.map(({ effect }) => effect)).toEqual(['overridden', 'overridden']);
    expect(judge({ ...night, to: '+12125550101' }, {}, { overrides: [override] }).verdict).toBe(
      'deferred',
    );
    expect(judge({ at: '2026-06-11T02:29:59Z' }, {}, { overrides: [override] }).verdict).toBe(
      'approved',
    );
    expect(judge({ at: '2026-06-11T02:30:00Z' }, {}, { overrides: [override] }).verdict).toBe(
      'deferred',
    );
    expect(judge(night, {}, { overrides: [{ ...override, rules: ['DEFAULT'] }] }).verdict).toBe(
      'deferred',
    );
  });

  test('never over an opt-out, a withdrawn consent or the kill switch', () => {
    const refused: SuppressionEvent = {
      ...{ type: 'opted_out', id: 'ev_1', at: 0, source: 'keyword', over: 'sms', programme: null },
    };
    const suppression = evolveSuppression(noSuppression, refused, { revokeAll: false });
    const greedy = { ...override, rules: [...override.rules, 'OPT-OUT'] };
    expect(overrideFaults(greedy)).toEqual(['rules: OPT-OUT cannot be lifted']);
    for (const one of [override, greedy]) {
      expect(judge(night, { suppression }, { overrides: [one] }).verdict).toBe('blocked');
    }
    const guardrails = { killSwitch: { by: 'ops', reason: 'incident' } };
    expect(judge(night, { guardrails }, { overrides: [override] }).verdict).toBe('blocked');
  });

  test.each([
    ['actor', { actor: ' ' }],
    ['role', { role: 'operator' }],
    ['reason', { reason: '' }],
    ['reasonCode', { reasonCode: '' }],
    ['recipient', { recipient: '*' }],
    ['rules', { rules: [] }],
    ['minutes', { minutes: 1_440 }],
    ['minutes', { minutes: 0.5 }],
  ])('one without a proper %s lifts nothing', (field, change) => {
    const wrong = { ...override, ...change };
    expect(overrideFaults(wrong)[0]).toContain(`${field}:`);
    expect(judge(night, {}, { overrides: [wrong] }).verdict).toBe('deferred');
  });
});

test('the same question gives the same verdict, whatever was asked before', () => {
  const asked = { to: '+18505550100', at: '2026-11-01T06:30:00Z', channel: 'voice' };
  const first = JSON.stringify(judge(asked, {}));
  for (let month = 0; month < 24; month += 1) {
    judge({ ...asked, at: new Date(Date.UTC(2000 + month * 4, month % 12)).toISOString() }, {});
  }
  expect(JSON.stringify(judge(asked, {}))).toBe(first);
});

test('every verdict names the versions it was made with', () => {
  expect(judge({}, {}).versions).toEqual({
    ...{ rules: context.rulesVersion, numbering: context.numbering.version },
  });
});
