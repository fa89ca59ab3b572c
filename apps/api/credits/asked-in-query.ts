import { issue, Problem } from '#libs/kernel';
import type { DrawnRequest } from '#libs/commands/credits';
import { readBody, readJsonBody } from '../http/index.js';
import { plain } from './answered.js';
import { UsageContextDto } from './credits.dto.js';

/**
 * Does what a query asks for: what is not acceptable is told of the query, not of a body.
 * @throws Problem `invalid_query_parameter` instead of `validation_failed`
 */
export async function askedInQuery<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'validation_failed') throw error;
    const issues = (error.errors ?? []).map(({ pointer, ...rest }) => ({
      pointer: pointer.replace(/^\//, '?'),
      ...rest,
    }));
    throw new Problem('invalid_query_parameter', error.detail, issues);
  }
}

/** The usage a query is about; its context is JSON. @throws Problem `validation_failed` */
export function usageAsked<Q extends { readonly context?: string }>(
  query: Q,
): Omit<Q, 'context'> & Pick<DrawnRequest, 'context'> {
  const { context: text, ...rest } = query;
  return text === undefined ? rest : { ...rest, context: contextOf(text) };
}

function contextOf(text: string): NonNullable<DrawnRequest['context']> {
  try {
    return plain(readBody(UsageContextDto, readJsonBody(Buffer.from(text))));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const issues = (error.errors ?? []).map(({ pointer, ...rest }) => ({
      pointer: `/context${pointer}`,
      ...rest,
    }));
    throw new Problem(
      'validation_failed',
      error.code === 'malformed_json' ? 'context is not one well-formed JSON document.' : error.detail,
      issues.length > 0 ? issues : [issue('/context', 'type', 'context must be a JSON object')],
    );
  }
}
