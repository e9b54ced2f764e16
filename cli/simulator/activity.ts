// Simulator: what happens at a provider (a call, a message) as steps in time, and what is true of it in
// the end. Scenarios make activities; traffic turns them into deliveries.

import type { OutgoingDelivery, StoredCredential } from '../../ingest/providers/provider.js';
import type { CallStatus, FailureCause, MessageStatus, ProviderName } from '../../schemas/facts.js';
import type { Random } from './random.js';

/** What a provider sends. JSON is text, because its bytes are what is signed. */
export type Content =
  | { readonly type: 'form'; readonly fields: Readonly<Record<string, string>> }
  | { readonly type: 'json'; readonly text: string; readonly contentType?: string }
  /** A GET whose query carries everything. */
  | { readonly type: 'query'; readonly fields: Readonly<Record<string, string>> };

const formType = 'application/x-www-form-urlencoded; charset=UTF-8';

/** The request that carries a content to `url`, not signed yet. */
export function requestOf(content: Content, url: string): OutgoingDelivery {
  switch (content.type) {
    case 'form': {
      const body = Buffer.from(new URLSearchParams(content.fields).toString());
      return { method: 'POST', url, headers: { 'content-type': formType }, body };
    }
    case 'json': {
      const headers = { 'content-type': content.contentType ?? 'application/json' };
      return { method: 'POST', url, headers, body: Buffer.from(content.text) };
    }
    case 'query': {
      const query = new URLSearchParams(content.fields).toString();
      const full = `${url}${url.includes('?') ? '&' : '?'}${query}`;
      return { method: 'GET', url: full, headers: {}, body: Buffer.alloc(0) };
    }
  }
}

/** One webhook of an activity. */
export interface Step {
  /** Milliseconds after the activity's start. */
  readonly atMs: number;
  /** False for what can be lost without changing how the activity ends. */
  readonly decides: boolean;
  /** The content where the activity started at `startMs`; `attempt` counts from 1. */
  content(startMs: number, attempt: number): Content;
}

/** What an AI agent and its caller said, as a receiver must find it; invented. */
export interface Said {
  readonly transcript: string;
  /** Null where the provider sent none. */
  readonly summary: string | null;
  readonly toolCalls: number;
}

/** How an activity ends. `ref` is the provider's id that a receiver finds it by. */
export interface Truth {
  readonly provider: ProviderName;
  /** `record`: something of the tenant's own (a member, a subscription), neither call nor message. */
  readonly kind: 'call' | 'message' | 'record';
  readonly scenario: string;
  readonly ref: string;
  /** Null where it has none. */
  readonly status: CallStatus | MessageStatus | null;
  readonly cause: FailureCause | null;
  readonly direction: 'inbound' | 'outbound' | null;
  readonly legs: number;
  /** Of a call that an AI agent held. */
  readonly said?: Said;
}

export interface Activity {
  readonly steps: readonly Step[];
  readonly truth: Truth;
}

/** When the activity's last step happens. */
export function lengthMs(activity: Activity): number {
  return activity.steps.reduce((latest, step) => Math.max(latest, step.atMs), 0);
}

/** Something that happens at a provider; `sender` holds what identifies its account. */
export type Scenario = (random: Random, sender: StoredCredential) => Activity;

/** Credentials of a simulated account: what it signs with, and what an endpoint verifies with. */
export interface SimulatedAccount {
  readonly sender: StoredCredential;
  readonly endpoint: StoredCredential;
}

/** What can happen at one provider, each as often as it stands in its list. */
export interface SimulatedProvider {
  readonly provider: ProviderName;
  readonly calls: readonly Scenario[];
  readonly messages: readonly Scenario[];
  readonly records: readonly Scenario[];
  /** Fresh credentials that nobody else has. */
  readonly newAccount: () => SimulatedAccount;
}
