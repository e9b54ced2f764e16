// The live board: the page at `/`. In: a session and the public stream. Out: what is going on now.

import { render } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';

import type { CallDetailItem, CallItem } from '../../schemas/live-frames.js';
import { ActiveCalls, EndedCalls, Tiles } from './board.js';
import { LiveClient, type LinkState, type LiveSubscription } from './client.js';
import { wallTime } from './format.js';
import { Providers, ProviderTitles, useTitles } from './providers.js';
import { findSession, type Session } from './session.js';
import { SignIn } from './sign-in.js';
import { CallPanel } from './timeline.js';

function App() {
  const [session, setSession] = useState<Session | null | 'looking'>('looking');
  useEffect(() => {
    void findSession().then(setSession);
  }, []);
  if (session === 'looking') return null;
  if (session === null) return <SignIn onSession={setSession} />;
  return <Live session={session} />;
}

function Live({ session }: { readonly session: Session }) {
  const client = useMemo(() => openClient(session), [session]);
  const link = useLink(client);
  const calls = useItems(useMemo(() => client.subscribe('calls'), [client]));
  const now = useClock();
  const titles = useTitles(session);
  const [chosen, setChosen] = useState<string | null>(null);
  const [provider, setProvider] = useState<string | null>(null);
  const all = [...calls.values()].filter((call) => call.mergedInto === null);
  const list = provider === null ? all : all.filter((call) => call.provider === provider);
  const table = { calls: list, now, chosen, onChoose: setChosen };
  return (
    <ProviderTitles value={titles}>
      <div class="shell">
        <Header link={link} demo={session.demo} />
        <Tiles calls={list} />
        <Providers calls={all} chosen={provider} onChoose={setProvider} />
        <main class={chosen === null ? 'columns' : 'columns open'}>
          <div>
            {all.length === 0 && link.status === 'live' ? (
              <Empty />
            ) : (
              <>
                <ActiveCalls {...table} />
                <EndedCalls {...table} />
              </>
            )}
          </div>
          {chosen !== null && (
            <Chosen
              key={chosen}
              client={client}
              id={chosen}
              call={calls.get(chosen) ?? null}
              now={now}
              onClose={() => setChosen(null)}
            />
          )}
        </main>
      </div>
    </ProviderTitles>
  );
}

function Header({ link, demo }: { readonly link: LinkState; readonly demo: boolean }) {
  return (
    <header class="top">
      <img src="/favicon.svg" alt="" />
      <h1>Trunkline</h1>
      <span class="tenant">{demo ? 'demo tenant, simulated calls' : 'live calls'}</span>
      <span class="grow" />
      <span class={`link-state ${link.status.replace(' ', '_')}`} role="status">
        <i aria-hidden="true" />
        {linkWords(link)}
      </span>
    </header>
  );
}

function linkWords(link: LinkState): string {
  const since = wallTime(new Date(link.since).toISOString());
  switch (link.status) {
    case 'live':
      return 'live';
    case 'connecting':
      return 'connecting …';
    case 'catching up':
      return 'catching up …';
    case 'stale':
      return `reconnecting, last word at ${since}`;
    case 'offline':
      return `offline since ${since}`;
  }
}

interface ChosenProps {
  readonly client: LiveClient;
  readonly id: string;
  readonly call: CallItem | null;
  readonly now: number;
  readonly onClose: () => void;
}

function Chosen({ client, id, call, now, onClose }: ChosenProps) {
  const subscription = useMemo(() => client.subscribe(`call:${id}`), [client, id]);
  const detail = useItems<CallDetailItem>(subscription).get(id) ?? null;
  useEffect(() => () => subscription.close(), [subscription]);
  const shown = detail?.call ?? call;
  if (shown === null) return null;
  return (
    <CallPanel
      call={shown}
      entries={detail?.entries ?? []}
      loading={!subscription.isLive}
      now={now}
      onClose={onClose}
    />
  );
}

function Empty() {
  return (
    <section class="card empty">
      <h3>No calls yet</h3>
      <p>
        Add an endpoint, paste its address as status callback at your provider, and call. Or let the
        simulator send signed deliveries:
      </p>
      <pre>
        {[
          'npx trunkline endpoint add --help',
          `npx trunkline simulate --to twilio=${location.origin}/v1/webhooks/<endpoint> \\`,
          '  --credential twilio.authToken=<its auth token> --calls 20',
        ].join('\n')}
      </pre>
    </section>
  );
}

function openClient(session: Session): LiveClient {
  const url = `${location.origin.replace(/^http/, 'ws')}/v1/stream`;
  return new LiveClient({ url, token: session.token });
}

function useLink(client: LiveClient): LinkState {
  const [state, setState] = useState(client.state);
  useEffect(() => client.onState(setState), [client]);
  return state;
}

/** The items of a subscription, drawn at most once an animation frame however fast they change. */
function useItems<Item>(subscription: LiveSubscription<Item>): ReadonlyMap<string, Item> {
  const [, setVersion] = useState(subscription.version);
  useEffect(() => {
    let frame = 0;
    const draw = () => {
      frame = 0;
      setVersion(subscription.version);
    };
    const stop = subscription.onChange(() => {
      if (frame === 0) frame = requestAnimationFrame(draw);
    });
    draw();
    return () => {
      stop();
      cancelAnimationFrame(frame);
    };
  }, [subscription]);
  return subscription.items;
}

/** The time twice a second, for running timers; stands still in a hidden tab. */
function useClock(): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) setNow(Date.now());
    }, 500);
    return () => clearInterval(timer);
  }, []);
  return now;
}

const root = document.getElementById('app');
if (root !== null) render(<App />, root);
