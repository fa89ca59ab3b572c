import { ApiHeader } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Problem } from '#libs/kernel';

/**
 * Reads the header: 1 to 255 visible ASCII characters, bare or as a quoted string.
 * @throws Problem `invalid_idempotency_key`
 */
export function readIdempotencyKey(header: string | readonly string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const text = typeof header === 'string' ? header : header.join(', ');
  const quoted = /^"((?:[^"\\]|\\["\\])*)"$/.exec(text);
  const key = quoted ? quoted[1]!.replace(/\\(.)/g, '$1') : text;
  if (!/^[\x21-\x7e]{1,255}$/.test(key))
    throw new Problem(
      'invalid_idempotency_key',
      'Idempotency-Key must be 1 to 255 visible ASCII characters.',
    );
  return key;
}

/** Says in the documentation that a write takes the header. */
export const ApiIdempotencyKey = (): MethodDecorator & ClassDecorator =>
  ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description:
      '1 to 255 visible ASCII characters. The same key with the same body gets the first answer again.',
  });

/** What every write answers beside its body. */
export interface WriteOutcome {
  readonly created: boolean;
  readonly replayed: boolean;
  /** Position in the log that the answer reflects. */
  readonly position: bigint;
}

/** Sets status and headers of a write: 201 or 200, `Log-Position`, `Idempotent-Replayed`. */
export function answerWrite(reply: FastifyReply, { created, replayed, position }: WriteOutcome): void {
  void reply.code(created ? 201 : 200).header('Log-Position', position.toString());
  if (replayed) void reply.header('Idempotent-Replayed', 'true');
}

/** Sets the header of a read: the position it reflects. */
export const answerRead = (reply: FastifyReply, position: bigint): void => {
  void reply.header('Log-Position', position.toString());
};
