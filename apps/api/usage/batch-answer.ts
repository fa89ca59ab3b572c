import { Problem } from '#libs/kernel';
import type { IngestedUsage } from '#libs/commands/credits';
import { problemBody } from '../http/index.js';

/**
 * What a batch is answered, each of its events by itself.
 * @returns also whether some were turned away for a reason that passes. @throws Problem that one, where that is so of all:
 *   what sends again by itself goes by the status
 */
export function batchAnswer(results: readonly (IngestedUsage | Problem)[], correlationId: string) {
  const passing = results.filter((result) => result instanceof Problem && result.status === 503);
  if (passing.length === results.length) throw passing[0] as Problem;
  const accepted = results.flatMap((result) => (result instanceof Problem ? [] : [result]));
  return {
    mayBeSentAgain: passing.length > 0,
    replayed: accepted.length > 0 && accepted.every(({ replayed }) => replayed),
    body: {
      accepted: accepted.length,
      rejected: results.length - accepted.length,
      errors: results.flatMap((result, index) =>
        result instanceof Problem ? [{ index, error: problemBody(result, `${correlationId}/${index}`) }] : [],
      ),
      results: results.map((result) => (result instanceof Problem ? null : result.body)),
    },
  };
}
