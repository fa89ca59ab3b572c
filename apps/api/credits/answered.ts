import type { FastifyReply } from 'fastify';
import { withoutUnset } from '#libs/catalog';
import type { Answered, Refused } from '#libs/commands/credits';
import type { CustomerQuery } from './credits.dto.js';

export const isExternal = ({ isExtCustId }: CustomerQuery): boolean => isExtCustId === 'true';

/** A request as the commands take it: null and absent mean the same. */
export const plain = <T>(dto: object): T => withoutUnset(dto as never);

/** A request in which null takes away what is there. */
export const withNulls = <T>(dto: object): T =>
  Object.fromEntries(Object.entries(dto).filter(([, value]) => value !== undefined)) as T;

/** Sets status and headers; a refusal is thrown as the problem it is. */
export function answered<Body>(reply: FastifyReply, outcome: Answered<Body> | Refused): Body {
  if (outcome.replayed) void reply.header('Idempotent-Replayed', 'true');
  if (outcome.position > 0n) void reply.header('Log-Position', outcome.position.toString());
  if ('problem' in outcome) throw outcome.problem;
  void reply.code(outcome.status);
  return outcome.body;
}
