// The live board: providers as they write themselves. In: the session. Out: titles by name, asked once, and
// a button a provider to see its calls alone.

import { createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';

import type { CallItem } from '../../schemas/live-frames.js';
import { isEnded } from './format.js';
import type { Session } from './session.js';

type Titles = ReadonlyMap<string, string>;

const TitlesContext = createContext<Titles>(new Map());

/** Gives the titles to everything below; until they are known, or when they cannot be, names stand in. */
export const ProviderTitles = TitlesContext.Provider;

/** Asks the server once a session. */
export function useTitles(session: Session): Titles {
  const [titles, setTitles] = useState<Titles>(new Map());
  useEffect(() => {
    void readTitles(session).then(setTitles, () => undefined);
  }, [session]);
  return titles;
}

interface Answer {
  readonly data: readonly { readonly name: string; readonly title: string }[];
}

async function readTitles(session: Session): Promise<Titles> {
  const headers = { authorization: `Bearer ${await session.token()}` };
  const answer = await fetch('/v1/providers', { headers });
  if (!answer.ok) return new Map();
  const { data } = (await answer.json()) as Answer;
  return new Map(data.map(({ name, title }) => [name, title]));
}

/** A provider as it writes itself. */
export function ProviderTitle({ name }: { readonly name: string }) {
  return <>{useContext(TitlesContext).get(name) ?? name}</>;
}

interface ProvidersProps {
  readonly calls: readonly CallItem[];
  /** Null: all of them. */
  readonly chosen: string | null;
  readonly onChoose: (provider: string | null) => void;
}

/** A button a provider, with its active calls; nothing where there is only one. */
export function Providers({ calls, chosen, onChoose }: ProvidersProps) {
  const names = [...new Set(calls.map(({ provider }) => provider))].sort();
  if (names.length < 2) return null;
  const active = calls.filter((call) => !isEnded(call));
  const count = (name: string | null) =>
    active.filter(({ provider }) => name === null || provider === name).length;
  return (
    <nav class="providers" aria-label="Providers">
      {[null, ...names].map((name) => (
        <button key={name ?? ''} aria-pressed={name === chosen} onClick={() => onChoose(name)}>
          {name === null ? 'All providers' : <ProviderTitle name={name} />}{' '}
          <small title="active calls">{count(name)}</small>
        </button>
      ))}
    </nav>
  );
}
