// The live board: who is looking. In a demo the server hands out a short-lived token for the demo
// tenant; otherwise the reader pastes an API key, kept for this tab only.

const storageKey = 'trunkline.api-key';

export interface Session {
  readonly demo: boolean;
  /** A token for the next connection; asked before every (re)connect. */
  readonly token: () => Promise<string>;
}

/** The session of this tab, or null when the reader has to sign in. */
export async function findSession(): Promise<Session | null> {
  const demo = await demoToken();
  if (demo !== null) {
    return { demo: true, token: async () => (await demoToken()) ?? demo };
  }
  const key = sessionStorage.getItem(storageKey);
  return key === null ? null : { demo: false, token: async () => key };
}

/** Keeps the key for this tab when the server takes it; otherwise says why not. */
export async function signIn(key: string): Promise<Session | string> {
  const answer = await fetch('/v1/calls?limit=1', { headers: { authorization: `Bearer ${key}` } });
  if (!answer.ok) {
    return answer.status === 401
      ? 'This key is not known here. Make one with: npx trunkline key add --help'
      : `The server answered ${answer.status}.`;
  }
  sessionStorage.setItem(storageKey, key);
  return { demo: false, token: async () => key };
}

async function demoToken(): Promise<string | null> {
  const answer = await fetch('/v1/demo/session').catch(() => null);
  if (answer?.status !== 200) return null;
  const body: unknown = await answer.json();
  return typeof body === 'object' && body !== null && 'token' in body ? String(body.token) : null;
}
