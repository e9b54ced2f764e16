// The live board: one call's timeline. In: the call and its entries, in the provider's order.

import type { CallItem, TimelineItem } from '../../schemas/live-frames.js';
import { Status } from './board.js';
import { callSpan, causeWords, statusWords, wallTime } from './format.js';
import { ProviderTitle } from './providers.js';

interface PanelProps {
  readonly call: CallItem;
  readonly entries: readonly TimelineItem[];
  readonly loading: boolean;
  readonly now: number;
  readonly onClose: () => void;
}

export function CallPanel({ call, entries, loading, now, onClose }: PanelProps) {
  return (
    <aside class="card panel" aria-label="Call timeline">
      <header>
        <h2>
          <Status call={call} />
        </h2>
        <small>{callSpan(call, now)}</small>
        <button class="close" onClick={onClose} aria-label="Close the timeline">
          ×
        </button>
      </header>
      <dl>
        <dt>From</dt>
        <dd>{call.from?.masked ?? '–'}</dd>
        <dt>To</dt>
        <dd>{call.to?.masked ?? '–'}</dd>
        <dt>Provider</dt>
        <dd>
          <ProviderTitle name={call.provider} />
          {call.direction === null ? '' : `, ${call.direction}`}
        </dd>
        <dt>Legs</dt>
        <dd>{call.legs.length}</dd>
        {causeWords(call) !== '' && (
          <>
            <dt>Why</dt>
            <dd>
              {causeWords(call)}
              {call.providerCode === null ? '' : ` (${call.providerCode})`}
            </dd>
          </>
        )}
        {call.settledAt !== null && (
          <>
            <dt>Settled</dt>
            <dd>{wallTime(call.settledAt)}</dd>
          </>
        )}
        <dt>Call</dt>
        <dd>{call.id}</dd>
      </dl>
      {entries.length === 0 ? (
        <p class="empty">{loading ? 'Loading the timeline …' : 'Nothing is known of this call.'}</p>
      ) : (
        <ol class="timeline">
          {entries.map((entry) => (
            <Entry key={entry.id} entry={entry} />
          ))}
        </ol>
      )}
    </aside>
  );
}

function Entry({ entry }: { readonly entry: TimelineItem }) {
  const mood = entry.refused !== null ? 'refused' : entry.inferred ? 'inferred' : '';
  return (
    <li class={mood}>
      <time dateTime={entry.occurredAt ?? entry.receivedAt}>
        {wallTime(entry.occurredAt ?? entry.receivedAt)}
      </time>
      {title(entry)}
      {entry.inferred && <span class="tag">inferred</span>}
      {entry.late && <span class="tag">late</span>}
      {entry.refused !== null && <span class="tag">refused</span>}
      <small>{detail(entry)}</small>
    </li>
  );
}

const title = (entry: TimelineItem): string =>
  entry.status !== null
    ? statusWords[entry.status]
    : entry.type.replace(/^(call|delivery)\./, '').replaceAll(/[._-]/g, ' ');

/** Details that say nothing to people: a provider's handle, an instant in ms. */
const forMachines: ReadonlySet<string> = new Set(['callControlId', 'since']);

function detail(entry: TimelineItem): string {
  const facts = Object.entries(entry.details)
    .filter(([name]) => !forMachines.has(name))
    .map(([name, value]) => `${name} ${String(value)}`);
  return [entry.refused ?? entry.reason, ...facts, entry.providerCode]
    .filter((part) => part !== null && part !== '')
    .join(' · ')
    .replaceAll('_', ' ');
}
