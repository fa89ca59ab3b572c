import { formatInstant, type Instant, type Json } from '#libs/kernel';
import { eventTypesOf, type JobRan, type JobRunEvent } from '#libs/event-types';
import type { CommandContext, StreamKind, StreamWriter, Written } from './stream-kind.js';

type Answer = JobRan['answer'];
interface RecordRun {
  readonly answer: Answer;
  readonly now: Instant;
}

/** What a job that was started under a key answered, so that the key is answered so again. */
const jobRuns: StreamKind<Answer | null, RecordRun, JobRunEvent> = {
  category: 'jobRun',
  eventTypes: eventTypesOf('jobRun'),
  decider: {
    initialState: null,
    decide: ({ answer, now }) => [{ type: 'JobRan', data: { answer, at: formatInstant(now) } }],
    evolve: (_, { data }) => data.answer,
  },
};

/**
 * Runs a job once for a key; without one, every time. Jobs record only what is due, so one that ran and crashed before its
 * answer was kept may run again.
 * @throws Problem `idempotency_key_reused`
 */
export async function runOnce<A extends Answer>(
  writer: StreamWriter,
  context: CommandContext,
  operation: string,
  input: { readonly [member: string]: Json | undefined },
  run: () => Promise<A>,
): Promise<{ readonly answer: A; readonly replayed: boolean }> {
  const { idempotencyKey, tenant } = context;
  if (idempotencyKey === undefined) return { answer: await run(), replayed: false };
  const id = `${operation}:${idempotencyKey}`;
  const { state } = await writer.read(jobRuns, tenant, id);
  const answer = state ?? (await run());
  const written: Written<Answer | null, JobRunEvent> = await writer.execute(jobRuns, id, {
    context,
    operation,
    input,
    command: (now) => ({ answer, now }),
  });
  return { answer: written.events[0]!.data.answer as A, replayed: written.replayed };
}
