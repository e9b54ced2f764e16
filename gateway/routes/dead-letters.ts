// Gateway: /v1/dead-letters. In: filters; or an operator's act with its reason. Out: facts that could not be
// processed; or 202 and where the act stands, once the log has it. The processors do what it asks for.

import { randomUUID } from 'node:crypto';
import { z } from 'zod';

import { actFact, type FactAppender, type FactPlace } from '../../log/own-facts.js';
import { toError, TrunklineError } from '../../runtime/errors.js';
import { problem, type HttpRequest, type HttpResponse } from '../../runtime/http.js';
import type { KeyRing } from '../../runtime/keys.js';
import type { Logger } from '../../runtime/logger.js';
import { asTenant } from '../../runtime/postgres.js';
import { reasonFault } from '../../schemas/act-reason.js';
import type { ActName } from '../../schemas/facts.js';
import { parkedClasses } from '../../schemas/parking.js';
import type { Principal } from '../authenticate.js';
import { actSchema, letterSchema, letterStates, readLetter, readLetters } from '../dead-letters.js';
import { defineRoute, jsonAnswer, withHeaders, type Route } from '../http.js';
import { byTime, filtersText, listAnswer, pageByTime, type ListDeps } from '../list.js';
import { readAnswer } from '../read.js';
import { cursorSchema, pageOf } from './items.js';
import * as parameters from './parameters.js';

export interface DeadLetterDeps extends ListDeps {
  readonly facts: Pick<FactAppender, 'append'>;
  readonly partitions: number;
  readonly logger: Logger;
}

const models = ['dead_letters'] as const;

const listQuery = z.strictObject({
  state: parameters.listOf(letterStates),
  class: parameters.listOf(parkedClasses),
  code: parameters.word,
  provider: parameters.word,
  queue: parameters.word,
  cursor: parameters.cursor,
  limit: parameters.limit,
  atLeast: parameters.atLeast,
  atLeastFact: parameters.atLeastFact,
});

export const deadLetterRoutes = (deps: DeadLetterDeps): readonly Route[] => [
  listLetters(deps),
  oneLetter(deps),
  actRoute(deps, 'retry', 'Decides a parked fact, and what waits in its queue, again in order'),
  actRoute(deps, 'discard', 'Lets go of a parked fact for good; what waits behind it is decided'),
];

function listLetters(deps: DeadLetterDeps): Route {
  return defineRoute({
    method: 'GET',
    pattern: '/v1/dead-letters',
    summary: 'Facts that could not be processed, newest first',
    permission: 'dead_letters.read',
    query: listQuery,
    params: z.object({}),
    answer: { status: 200, schema: pageOf(letterSchema) },
    errors: ['cursor_invalid', 'not_yet'],
    handle({ request, principal, query }) {
      const { state, code, provider, queue, atLeast, atLeastFact } = query;
      const filter = { states: state, classes: query.class, code, provider, queue };
      const placing = { tenant: principal.tenant, partitions: deps.partitions };
      return listAnswer(deps, {
        asked: { request, principal, models, atLeast, atLeastFact },
        scope: { route: 'dead-letters', filters: filtersText(query) },
        query,
        place: byTime,
        read: (transaction, page) => readLetters(transaction, placing, filter, pageByTime(page)),
        placeOf: ({ origin, id }) => [Date.parse(origin.at), id] as const,
        items: (letters) => letters,
      });
    },
  });
}

function oneLetter(deps: DeadLetterDeps): Route {
  return defineRoute({
    method: 'GET',
    pattern: '/v1/dead-letters/:id',
    summary: 'One dead letter, and what was done about it',
    permission: 'dead_letters.read',
    query: z.strictObject({ atLeast: parameters.atLeast, atLeastFact: parameters.atLeastFact }),
    params: z.object({ id: parameters.id }),
    answer: {
      status: 200,
      schema: z.object({
        data: letterSchema.extend({ acts: z.array(actSchema) }),
        asOf: cursorSchema,
      }),
    },
    errors: ['not_found', 'not_yet'],
    handle({ request, principal, query, params }) {
      const { atLeast, atLeastFact } = query;
      const placing = { tenant: principal.tenant, partitions: deps.partitions };
      return readAnswer(
        deps,
        { request, principal, models, atLeast, atLeastFact },
        (transaction) => readLetter(transaction, placing, params.id),
        ({ letter, acts }, asOf) => Promise.resolve({ data: { ...letter, acts }, asOf }),
      );
    },
  });
}

const reason = z.string().superRefine((text, check) => {
  const fault = reasonFault(text);
  if (fault !== null) check.addIssue({ code: 'custom', message: fault });
});

const acceptedSchema = z.object({
  data: z.object({
    id: z.string(),
    act: z.string(),
    /** The same for the same Idempotency-Key; `acts` of the dead letter names it. */
    actId: z.string(),
    idempotencyKey: z.string(),
    /** Where the act stands: ask for the dead letter with `atLeastFact` set to the offset. */
    position: z.object({ topic: z.string(), partition: z.int(), offset: z.int() }),
  }),
});

function actRoute(deps: DeadLetterDeps, act: ActName, summary: string): Route {
  return defineRoute({
    method: 'POST',
    pattern: `/v1/dead-letters/:id/${act}`,
    summary,
    permission: 'dead_letters.manage',
    query: z.strictObject({}),
    params: z.object({ id: parameters.id }),
    body: z.strictObject({ reason }),
    isIdempotent: true,
    answer: { status: 202, schema: acceptedSchema },
    errors: ['not_found', 'dead_letter_closed', 'append_unknown', 'overloaded'],
    async handle({ request, principal, params, body }) {
      const key = request.headers.get('idempotency-key') ?? randomUUID();
      const actor = await actorOf(deps.keyRing, principal);
      const asked = { act, about: params.id, actor, reason: body.reason.trim() };
      const fact = actFact(principal.tenant, asked, key);
      const { factId } = fact.fact;
      const fault = await closedFault(deps, principal, { id: params.id, actId: factId });
      if (fault !== null) return fault;
      const { correlationId } = request;
      const place = await append(deps, { ...fact, correlationId }, key);
      if ('status' in place) return place;
      say(deps.logger, { principal, request, act, id: params.id, actId: factId });
      const location = `/v1/dead-letters/${encodeURIComponent(params.id)}?atLeastFact=${place.offset}`;
      const data = { id: params.id, act, actId: factId, idempotencyKey: key, position: place };
      return jsonAnswer({ data }, { location, 'cache-control': 'no-store' }, 202);
    },
  });
}

/** Null where the act may be appended: the letter is open, or this very act has closed it. */
async function closedFault(
  { database, partitions }: DeadLetterDeps,
  { tenant }: Principal,
  { id, actId }: { readonly id: string; readonly actId: string },
): Promise<HttpResponse | null> {
  const found = await asTenant(database, tenant, (transaction) =>
    readLetter(transaction, { tenant, partitions }, id),
  );
  if (found === null) return problem('not_found', 'nothing has that id');
  const { letter, acts } = found;
  if (letter.state === 'open' || acts.some((one) => one.actId === actId)) return null;
  return problem('dead_letter_closed', `it was ${letter.state}; nothing is left to do`);
}

/** The place of the act; or why it is not known to be in the log. */
async function append(
  { facts }: DeadLetterDeps,
  fact: Parameters<FactAppender['append']>[0][number],
  idempotencyKey: string,
): Promise<FactPlace | HttpResponse> {
  try {
    const [place] = await facts.append([fact]);
    if (place === undefined) throw new TrunklineError('internal', 'an act without a place');
    return place;
  } catch (thrown) {
    const error = toError(thrown);
    if (!(error instanceof TrunklineError) || error.status !== 503) throw thrown;
    const detail =
      error.code === 'append_unknown'
        ? 'the log does not answer: it is not known whether it holds the act; send it again with this Idempotency-Key'
        : 'the log does not take acts now; nothing was done';
    const response = problem(error.code, detail, { idempotencyKey });
    return withHeaders(response, { 'retry-after': '5' });
  }
}

/** Stands in events for ever: a user whose id is an address is named by a subject id instead. */
async function actorOf(keyRing: KeyRing, { tenant, subject }: Principal): Promise<string> {
  const isPersonal = subject.includes('@') || /\d{7}/.test(subject);
  return isPersonal ? `user:${await keyRing.subjectId(tenant, subject)}` : subject;
}

function say(
  logger: Logger,
  told: {
    readonly principal: Principal;
    readonly request: HttpRequest;
    readonly act: ActName;
    readonly id: string;
    readonly actId: string;
  },
): void {
  const { principal, request, act, id, actId } = told;
  const { tenant, role } = principal;
  const { correlationId } = request;
  logger.info({ code: 'dead_letter_act', tenant, role, act, id, actId, correlationId }, 'an act');
}
