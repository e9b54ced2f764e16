// The live board: tiles, active calls, lately ended calls. In: calls and the clock. Out: a choice.

import type { CallItem } from '../../schemas/live-frames.js';
import { callSpan, causeWords, clockSpan, isEnded, statusWords, wallTime } from './format.js';
import { ProviderTitle } from './providers.js';

const shownEnded = 25;

/** Figures over what the board holds; a tile each. */
export function Tiles({ calls }: { readonly calls: readonly CallItem[] }) {
  const active = calls.filter((call) => !isEnded(call));
  const count = (status: CallItem['status']) => active.filter((c) => c.status === status).length;
  const tiles: [string, number][] = [
    ['active calls', active.length],
    ['ringing', count('ringing') + count('initiated')],
    ['talking', count('answered')],
    ['on hold', count('on_hold')],
    ['transferring', count('transferring')],
  ];
  return (
    <section class="tiles" aria-label="Figures">
      {tiles.map(([name, value]) => (
        <div class="tile" key={name}>
          <b>{value}</b>
          <span>{name}</span>
        </div>
      ))}
    </section>
  );
}

export function Status({ call }: { readonly call: CallItem }) {
  return (
    <span class={`status ${call.status}`}>
      <i aria-hidden="true" />
      {statusWords[call.status]}
      {call.inferred && <span class="tag">inferred</span>}
    </span>
  );
}

interface TableProps {
  readonly calls: readonly CallItem[];
  readonly now: number;
  readonly chosen: string | null;
  readonly onChoose: (id: string) => void;
}

/** Calls that go on, longest first. Timers run from the call's own start, not from server ticks. */
export function ActiveCalls({ calls, now, chosen, onChoose }: TableProps) {
  const active = calls
    .filter((call) => !isEnded(call))
    .sort((a, b) => a.startedAt.localeCompare(b.startedAt) || a.id.localeCompare(b.id));
  return (
    <section class="card">
      <header>
        <h2>Active calls</h2>
        <small>{active.length === 0 ? 'none at the moment' : `${active.length} now`}</small>
      </header>
      {active.length > 0 && (
        <table>
          <thead>
            <tr>
              <th>Status</th>
              <th>From</th>
              <th>To</th>
              <th class="hide-small hide-open">Direction</th>
              <th class="hide-small hide-open">Provider</th>
              <th class="hide-small right">In status</th>
              <th class="right">Duration</th>
            </tr>
          </thead>
          <tbody>
            {active.map((call) => (
              <Row key={call.id} call={call} chosen={chosen} onChoose={onChoose}>
                <td class="hide-small hide-open">{call.direction ?? '–'}</td>
                <td class="hide-small hide-open">
                  <ProviderTitle name={call.provider} />
                </td>
                <td class="hide-small right">{clockSpan(Date.parse(call.enteredAt), now)}</td>
                <td class="right">{callSpan(call, now)}</td>
              </Row>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

/** The calls that ended last. */
export function EndedCalls({ calls, now, chosen, onChoose }: TableProps) {
  const ended = calls
    .filter(isEnded)
    .sort((a, b) => (b.endedAt ?? '').localeCompare(a.endedAt ?? ''))
    .slice(0, shownEnded);
  if (ended.length === 0) return null;
  return (
    <section class="card ended">
      <header>
        <h2>Ended</h2>
        <small>the last {ended.length}</small>
      </header>
      <table>
        <thead>
          <tr>
            <th>Status</th>
            <th>From</th>
            <th>To</th>
            <th class="hide-small hide-open">Provider</th>
            <th class="hide-small">Why</th>
            <th class="hide-small right">Ended</th>
            <th class="right">Duration</th>
          </tr>
        </thead>
        <tbody>
          {ended.map((call) => (
            <Row key={call.id} call={call} chosen={chosen} onChoose={onChoose}>
              <td class="hide-small hide-open">
                <ProviderTitle name={call.provider} />
              </td>
              <td class="hide-small">{causeWords(call)}</td>
              <td class="hide-small right">
                {call.endedAt === null ? '' : wallTime(call.endedAt)}
              </td>
              <td class="right">{callSpan(call, now)}</td>
            </Row>
          ))}
        </tbody>
      </table>
    </section>
  );
}

interface RowProps {
  readonly call: CallItem;
  readonly chosen: string | null;
  readonly onChoose: (id: string) => void;
  readonly children: preact.ComponentChildren;
}

function Row({ call, chosen, onChoose, children }: RowProps) {
  return (
    <tr
      tabIndex={0}
      class={call.id === chosen ? 'chosen' : ''}
      data-call={call.id}
      onClick={() => onChoose(call.id)}
      onKeyDown={(event) => {
        if (event.key === 'Enter') onChoose(call.id);
      }}
    >
      <td>
        <Status call={call} />
      </td>
      <td>{call.from?.masked ?? '–'}</td>
      <td>{call.to?.masked ?? '–'}</td>
      {children}
    </tr>
  );
}
