import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { issue, Problem } from '#libs/kernel';
import type { ReadCall } from './caller.js';
import { Field, IsQueryNumber, IsText } from './fields.js';

export const DEFAULT_LIMIT = 100;
export const MAX_LIMIT = 1000;

/** The query of a write: there is none. */
export class NoQuery {}

/** The body of a write that takes none: absent, or an object without members. */
export class NoBody {}

/** The query of every read. */
export class ReadQuery {
  @Field(IsQueryNumber(0, Number.MAX_SAFE_INTEGER), {
    optional: true,
    example: '42',
    description: 'Wait until the answer reflects this position; also as the header Min-Log-Position.',
  })
  minPosition?: string;
}

/** The query of every list. */
export class ListQuery extends ReadQuery {
  @Field(IsQueryNumber(1, MAX_LIMIT), {
    optional: true,
    example: '100',
    description: `1 to ${MAX_LIMIT}, default ${DEFAULT_LIMIT}`,
  })
  limit?: string;

  @Field(IsText(2000), { optional: true, description: '`nextCursor` of the page before' })
  cursor?: string;
}

export interface Page {
  readonly limit: number;
  /** Key of the last row of the page before; null: from the start. */
  readonly cursor: string | null;
}

/** Whatever answers a list: its request says which list it is. */
type ListCall = Pick<ReadCall, 'request'>;

/** @throws Problem `invalid_query_parameter` when the cursor is not one that this list gave */
export const pageOf = (call: ListCall, { limit, cursor }: ListQuery): Page => ({
  limit: limit === undefined ? DEFAULT_LIMIT : Number(limit),
  cursor: cursor === undefined ? null : decodeCursor(call, cursor),
});

/** How many rows the pages before have shown, of a list that is counted through. @throws as {@link pageOf} */
export function offsetOf({ cursor }: Page): number {
  if (cursor === null) return 0;
  if (!/^\d{1,9}$/.test(cursor)) throw foreignCursor();
  return Number(cursor);
}

/** The opaque form of a row's key. It names its list, for rows of another would be skipped in silence. */
export const encodeCursor = (call: ListCall, key: string): string =>
  Buffer.from(`${listOf(call)}${key}`, 'utf8').toString('base64url');

/** @throws Problem `invalid_query_parameter` when the cursor is not one that this list gave */
export function decodeCursor(call: ListCall, cursor: string): string {
  const text = Buffer.from(cursor, 'base64url').toString('utf8');
  const key = text.slice(MARK_LENGTH);
  if (encodeCursor(call, key) !== cursor || text.includes('\0')) throw foreignCursor();
  return key;
}

export const foreignCursor = (): Problem =>
  new Problem('invalid_query_parameter', 'cursor is not one that this list gave.', [
    issue('?cursor', 'cursor_invalid', 'cursor is not one that this list gave.'),
  ]);

const MARK_LENGTH = 8;

/** A mark of the route and of what its path names. */
const listOf = ({ request: { routeOptions, params } }: ListCall): string =>
  createHash('sha256')
    .update(JSON.stringify([routeOptions.url, params]))
    .digest('base64url')
    .slice(0, MARK_LENGTH);

/** The position a read must reflect, from `?minPosition=` or the header; undefined: whatever there is. */
export function minPositionOf(request: FastifyRequest, query: ReadQuery): bigint | undefined {
  const header = request.headers['min-log-position'];
  const text = query.minPosition ?? (typeof header === 'string' ? header : undefined);
  if (text === undefined) return undefined;
  if (!/^\d{1,19}$/.test(text))
    throw new Problem('malformed_request', 'Min-Log-Position must be a position that this API gave.');
  return BigInt(text);
}

/** A page as it is answered. */
export const answerPage = <Row>(
  call: ListCall,
  data: readonly Row[],
  nextKey: string | null,
): { data: readonly Row[]; nextCursor: string | null } => ({
  data,
  nextCursor: nextKey === null ? null : encodeCursor(call, nextKey),
});
