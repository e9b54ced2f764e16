// Gateway: one event to many sockets. In: events in order, and subscriptions that have caught up. Out:
// one shared frame for each publish group, handed to the transport once.
//
// A publish group is what can share a frame: same tenant, view (masked or open), topic, filter and
// subscription id, because the id stands in the frame. The client module derives its ids from topic
// and filter, so all dashboards of a tenant that show the same thing are one group: JSON once for
// each event and view, one string for each group, and one native publish, however many sockets.

import type { Socket } from '../runtime/http.js';
import type { EventEnvelope } from '../schemas/events.js';
import type { TenantId } from '../schemas/ids.js';
import type { View } from './authorize.js';
import { eventFrame, leftJson } from './frames.js';
import { renderingOf } from './render.js';
import type { Rendering } from './rendered.js';
import type { RingEntry, Rings } from './ring.js';
import { concernOf, type Filter, type Topic } from './topics.js';
import { masked, type Opened, type Shape } from './views.js';

/** What a subscription asks for; equal for all members of a group. */
export interface Interest {
  readonly tenant: TenantId;
  readonly id: string;
  readonly topic: Topic;
  readonly filter: Filter;
  readonly view: View;
}

/** A subscription as its group sees it. */
export interface Member {
  readonly socket: Socket;
  /** More than the soft limit is waiting for this reader: it has left the group, at `cursor`. */
  fellBehind(cursor: number): void;
  /** The group could not send an event in time: the member goes on from the ring after `cursor`. */
  demoted(cursor: number): void;
}

export interface Group {
  readonly name: string;
  readonly interest: Interest;
  readonly idJson: string;
  readonly rendering: Rendering;
  readonly members: Set<Member>;
  /** Seq of the last event frame published to it. */
  lastSent: number;
  /** Characters published since the members were last looked at. */
  unswept: number;
}

interface TenantGroups {
  readonly byName: Map<string, Group>;
  readonly calls: Set<Group>;
  readonly messages: Set<Group>;
  readonly records: Set<Group>;
  readonly byCall: Map<string, Set<Group>>;
}

/** Waiting bytes at which a reader counts as slow (design section 8). */
export const softLimitBytes = 64 * 1024;
/** Members are looked at after this much was published to their group, or by the timer. */
const sweepAfterChars = 32 * 1024;

export const shapeOf = (topic: Topic): Shape => (topic.kind === 'call' ? 'detail' : 'summary');

/** The publish groups of this process. Synchronous: a member joins or leaves between two events. */
export class FanOut {
  private readonly tenants = new Map<TenantId, TenantGroups>();
  published = 0;

  constructor(
    private readonly rings: Rings,
    private readonly transport: { publish(topic: string, text: string): void },
  ) {}

  /** The caller has sent the member everything up to the ring's top. */
  join(interest: Interest, member: Member): Group {
    const groups = this.groupsOf(interest.tenant);
    const name = groupName(interest);
    const group = groups.byName.get(name) ?? this.addGroup(groups, name, interest);
    group.members.add(member);
    member.socket.subscribe(name);
    return group;
  }

  /** What was published before stands before everything the member is sent after. */
  leave(group: Group, member: Member): void {
    if (!group.members.delete(member)) return;
    member.socket.unsubscribe(group.name);
    if (group.members.size === 0) this.removeGroup(group);
  }

  /** Forgets a member whose socket is gone. */
  forget(group: Group, member: Member): void {
    if (group.members.delete(member) && group.members.size === 0) this.removeGroup(group);
  }

  /** True when somebody live sees this tenant's numbers, so that they are worth opening. */
  hasOpenView(tenant: TenantId): boolean {
    for (const group of this.tenants.get(tenant)?.byName.values() ?? []) {
      if (group.interest.view === 'open') return true;
    }
    return false;
  }

  /** Sends an event that was just pushed. `opened` is null when the open view could not be made. */
  publish(entry: RingEntry, event: EventEnvelope, opened: Opened | null): void {
    const groups = this.tenants.get(event.tenant);
    if (groups === undefined) return;
    if (entry.kind === 'call')
      for (const group of groups.calls) this.send(group, entry, event, opened);
    if (entry.kind === 'message') {
      for (const group of groups.messages) this.send(group, entry, event, opened);
    }
    if (entry.kind === 'record') {
      for (const group of groups.records) this.send(group, entry, event, opened);
    }
    const ofCall = entry.callId === null ? undefined : groups.byCall.get(entry.callId);
    for (const group of ofCall ?? []) this.send(group, entry, event, opened);
  }

  /** Looks at every member of groups that were published to; called by a timer. */
  sweep(): void {
    for (const groups of this.tenants.values()) {
      for (const group of groups.byName.values()) {
        if (group.unswept > 0) this.sweepGroup(group, this.rings.top(group.interest.tenant));
      }
    }
  }

  private send(group: Group, entry: RingEntry, event: EventEnvelope, opened: Opened | null): void {
    const { topic, filter, view } = group.interest;
    const concern = concernOf(topic, filter, entry);
    if (concern === null) return;
    let json: string;
    if (concern === 'left') json = leftJson(entry.callId ?? '', entry.mergedFrom);
    else {
      const made = entry.json?.get(group.rendering);
      const texts = view === 'open' ? opened : masked;
      if (made === undefined && texts === null) return this.demote(group, entry.seq - 1);
      json = made ?? this.rings.render(entry, event, group.rendering, texts ?? masked);
    }
    const frame = eventFrame(group.idJson, entry.seq, json);
    this.transport.publish(group.name, frame);
    group.lastSent = entry.seq;
    this.published += 1;
    group.unswept += frame.length;
    if (group.unswept > sweepAfterChars) this.sweepGroup(group, entry.seq);
  }

  private demote(group: Group, cursor: number): void {
    for (const member of [...group.members]) {
      this.leave(group, member);
      member.demoted(cursor);
    }
  }

  private sweepGroup(group: Group, cursor: number): void {
    group.unswept = 0;
    for (const member of [...group.members]) {
      if (member.socket.bufferedBytes <= softLimitBytes) continue;
      this.leave(group, member);
      member.fellBehind(cursor);
    }
  }

  private groupsOf(tenant: TenantId): TenantGroups {
    const known = this.tenants.get(tenant);
    if (known !== undefined) return known;
    const made = {
      byName: new Map<string, Group>(),
      calls: new Set<Group>(),
      messages: new Set<Group>(),
      records: new Set<Group>(),
      byCall: new Map<string, Set<Group>>(),
    };
    this.tenants.set(tenant, made);
    return made;
  }

  private addGroup(groups: TenantGroups, name: string, interest: Interest): Group {
    const group: Group = {
      name,
      interest,
      idJson: JSON.stringify(interest.id),
      rendering: renderingOf(shapeOf(interest.topic), interest.view),
      members: new Set(),
      lastSent: 0,
      unswept: 0,
    };
    groups.byName.set(name, group);
    setOf(groups, interest.topic)?.add(group);
    return group;
  }

  private removeGroup(group: Group): void {
    const { tenant, topic } = group.interest;
    const groups = this.tenants.get(tenant);
    if (groups === undefined) return;
    groups.byName.delete(group.name);
    const set = setOf(groups, topic);
    set?.delete(group);
    if (topic.kind === 'call' && set?.size === 0) groups.byCall.delete(topic.callId);
    if (groups.byName.size === 0) this.tenants.delete(tenant);
  }
}

function setOf(groups: TenantGroups, topic: Topic): Set<Group> | null {
  switch (topic.kind) {
    case 'calls':
      return groups.calls;
    case 'messages':
      return groups.messages;
    case 'records':
      return groups.records;
    case 'stats':
      return null;
    case 'call': {
      const known = groups.byCall.get(topic.callId) ?? new Set<Group>();
      groups.byCall.set(topic.callId, known);
      return known;
    }
  }
}

/** The tenant stands first and comes from the credential: no client text can reach another's group. */
function groupName({ tenant, view, topic, filter, id }: Interest): string {
  const about = topic.kind === 'call' ? `call:${topic.callId}` : topic.kind;
  return `${tenant}\n${view}\n${about}\n${filter.key}\n${id}`;
}
