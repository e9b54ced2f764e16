// The live board: who has no session yet pastes an API key.

import { useState } from 'preact/hooks';

import { signIn, type Session } from './session.js';

export function SignIn({ onSession }: { readonly onSession: (session: Session) => void }) {
  const [key, setKey] = useState('');
  const [fault, setFault] = useState('');
  const submit = async (event: Event) => {
    event.preventDefault();
    const result = await signIn(key.trim());
    if (typeof result === 'string') setFault(result);
    else onSession(result);
  };
  return (
    <form class="card sign-in" onSubmit={(event) => void submit(event)}>
      <h2>Watch live calls</h2>
      <label for="key">API key of your tenant</label>
      <input
        id="key"
        type="password"
        autocomplete="off"
        placeholder="tl_live_…"
        value={key}
        onInput={(event) => setKey(event.currentTarget.value)}
      />
      <button type="submit" disabled={key.trim() === ''}>
        Sign in
      </button>
      {fault !== '' && <p role="alert">{fault}</p>}
      <p>
        Make one with <code>npx trunkline key add --tenant &lt;tenant&gt; --role viewer</code>
      </p>
    </form>
  );
}
