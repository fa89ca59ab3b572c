import type { FastifyRequest } from 'fastify';
import { Problem } from '#libs/kernel';
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

/** @throws Problem `invalid_query_parameter` when the cursor is not one of ours */
export const pageOf = ({ limit, cursor }: ListQuery): Page => ({
  limit: limit === undefined ? DEFAULT_LIMIT : Number(limit),
  cursor: cursor === undefined ? null : decodeCursor(cursor),
});

/** The opaque form of a row's key. */
export const encodeCursor = (key: string): string => Buffer.from(`1${key}`, 'utf8').toString('base64url');

export function decodeCursor(cursor: string): string {
  const text = Buffer.from(cursor, 'base64url').toString('utf8');
  if (!text.startsWith('1') || encodeCursor(text.slice(1)) !== cursor || text.includes('\0'))
    throw new Problem('invalid_query_parameter', 'cursor is not one that this API gave.', [
      { pointer: '?cursor', code: 'cursor_invalid', message: 'cursor is not one that this API gave.' },
    ]);
  return text.slice(1);
}

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
  data: readonly Row[],
  nextKey: string | null,
): { data: readonly Row[]; nextCursor: string | null } => ({
  data,
  nextCursor: nextKey === null ? null : encodeCursor(nextKey),
});
