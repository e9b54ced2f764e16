// APIs of Twilio and Telnyx as they behave, on loopback: credentials, 404, paging, 429 with Retry-After, 5xx, and
// answers that do not come. What is in them is fictional.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

export interface FakeCall {
  readonly sid: string;
  readonly status: string;
  readonly parent?: string;
  readonly direction?: string;
  readonly startedAt?: Date;
  readonly endedAt?: Date;
  readonly durationSec?: number;
  readonly price?: string;
  readonly from?: string;
  readonly to?: string;
}

export interface FakeEvent {
  readonly leg: string;
  readonly session: string;
  readonly name: string;
  readonly at: Date;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** What the next requests get in place of an answer. */
export type Trouble =
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: string }
  | { readonly kind: 'silence' }
  | { readonly kind: 'garbage' };

export const twilioAccount = {
  accountSid: `AC${'0123456789abcdef'.repeat(2)}`,
  authToken: 'fictional-token-of-the-api',
};
export const telnyxAccount = { apiKey: 'KEY_fictional' };

export class FakeProviders {
  readonly calls = new Map<string, FakeCall>();
  readonly events: FakeEvent[] = [];
  /** Alive or ended, by call_control_id. */
  readonly alive = new Map<
    string,
    { leg: string; session: string; isAlive: boolean; endedAt?: Date }
  >();
  readonly trouble: Trouble[] = [];
  readonly paths: string[] = [];
  pageSize = 50;
  /** Calls that are not in `calls`. */
  find: (sid: string) => FakeCall | undefined = () => undefined;
  /** After so many answers it fails. */
  answers = Infinity;
  #url = '';
  readonly #server = createServer((request, response) => {
    this.#answer(request, response);
  });

  get url(): string {
    return this.#url;
  }

  static async start(): Promise<FakeProviders> {
    const fake = new FakeProviders();
    fake.#server.listen(0, '127.0.0.1');
    await once(fake.#server, 'listening');
    const address = fake.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    fake.#url = `http://127.0.0.1:${address.port}`;
    return fake;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', this.#url);
    this.paths.push(`${url.pathname}${url.search}`);
    this.answers -= 1;
    const trouble: Trouble | undefined =
      this.answers < 0 ? { kind: 'status', status: 503 } : this.trouble.shift();
    if (trouble?.kind === 'silence') return;
    if (trouble?.kind === 'garbage') {
      response.end('<html>');
      return;
    }
    if (trouble?.kind === 'status') {
      const { status, retryAfter } = trouble;
      response.writeHead(status, retryAfter === undefined ? {} : { 'retry-after': retryAfter });
      response.end(JSON.stringify({ code: status, message: 'not now' }));
      return;
    }
    const [status, body] = url.pathname.startsWith('/2010-04-01/')
      ? this.#twilio(request, url)
      : this.#telnyx(request, url);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  }

  #twilio({ headers }: IncomingMessage, url: URL): readonly [number, unknown] {
    const { accountSid, authToken } = twilioAccount;
    const wanted = `Basic ${Buffer.from(`${accountSid}:${authToken}`).toString('base64')}`;
    if (headers.authorization !== wanted) return [401, { code: 20003 }];
    const base = `/2010-04-01/Accounts/${accountSid}/Calls`;
    if (url.pathname === `${base}.json`) return [200, this.#twilioPage(url, `${base}.json`)];
    const sid = new RegExp(`^${base}/(\\w+)\\.json$`).exec(url.pathname)?.[1] ?? '';
    const found = this.calls.get(sid) ?? this.find(sid);
    return found === undefined ? [404, { code: 20404 }] : [200, twilioCall(found)];
  }

  #twilioPage(url: URL, path: string): unknown {
    const since = Date.parse(url.searchParams.get('StartTime>') ?? '');
    const page = Number(url.searchParams.get('Page') ?? '0');
    const all = [...this.calls.values()]
      .filter(({ startedAt }) => (startedAt?.getTime() ?? 0) >= since)
      .toSorted((a, b) => (b.startedAt?.getTime() ?? 0) - (a.startedAt?.getTime() ?? 0));
    const shown = all.slice(page * this.pageSize, (page + 1) * this.pageSize);
    const isLast = (page + 1) * this.pageSize >= all.length;
    const query = new URLSearchParams(url.searchParams);
    query.set('Page', String(page + 1));
    return {
      calls: shown.map(twilioCall),
      next_page_uri: isLast ? null : `${path}?${query.toString()}`,
    };
  }

  #telnyx({ headers }: IncomingMessage, url: URL): readonly [number, unknown] {
    if (headers.authorization !== `Bearer ${telnyxAccount.apiKey}`) return [401, { errors: [] }];
    const control = /^\/v2\/calls\/([^/]+)$/.exec(url.pathname)?.[1];
    if (control !== undefined) return this.#telnyxStatus(decodeURIComponent(control));
    if (url.pathname !== '/v2/call_events') return [404, { errors: [] }];
    const leg = url.searchParams.get('filter[leg_id]');
    const since = Date.parse(url.searchParams.get('filter[occurred_at][gte]') ?? '1970-01-01');
    const number = Number(url.searchParams.get('page[number]') ?? '1');
    const fitting = this.events.filter(
      (event) => (leg === null || event.leg === leg) && event.at.getTime() >= since,
    );
    const shown = fitting.slice((number - 1) * this.pageSize, number * this.pageSize);
    const pages = Math.max(1, Math.ceil(fitting.length / this.pageSize));
    return [
      200,
      { data: shown.map(telnyxEvent), meta: { page_number: number, total_pages: pages } },
    ];
  }

  #telnyxStatus(control: string): readonly [number, unknown] {
    const found = this.alive.get(control);
    if (found === undefined) return [404, { errors: [{ code: '10005' }] }];
    const { leg, session, isAlive, endedAt } = found;
    return [
      200,
      {
        data: {
          ...{ call_control_id: control, call_leg_id: leg, call_session_id: session },
          ...{ is_alive: isAlive, record_type: 'call' },
          ...(endedAt === undefined ? {} : { end_time: endedAt.toISOString(), call_duration: 12 }),
        },
      },
    ];
  }
}

const twilioCall = (call: FakeCall): unknown => ({
  sid: call.sid,
  parent_call_sid: call.parent ?? null,
  account_sid: twilioAccount.accountSid,
  status: call.status,
  direction: call.direction ?? 'inbound',
  start_time: call.startedAt?.toUTCString() ?? null,
  end_time: call.endedAt?.toUTCString() ?? null,
  duration: call.durationSec === undefined ? null : String(call.durationSec),
  price: call.price ?? null,
  price_unit: call.price === undefined ? null : 'USD',
  from: call.from ?? '+15555550142',
  to: call.to ?? '+15555550100',
});

const telnyxEvent = (event: FakeEvent): unknown => ({
  record_type: 'call_event',
  type: 'webhook',
  name: event.name,
  call_leg_id: event.leg,
  call_session_id: event.session,
  event_timestamp: event.at.toISOString(),
  metadata: event.metadata ?? {},
});
