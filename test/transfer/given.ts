import {
  chainEvent,
  exportLog,
  NO_STREAM,
  type AppendBatch,
  type EventStore,
  type NewEvent,
} from '#libs/event-store';

/** Numbers below `below`, the same ones for the same seed. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

export interface Placed {
  readonly stream: string;
  readonly revision: number;
  readonly event: NewEvent;
}

/** Events as writers make them, of streams that come in turns and in runs. */
export function* historyOf(options: {
  readonly seed: number;
  readonly events: number;
  readonly streams: number;
  /** Bytes of filling in an event, at most. */
  readonly filling?: number;
}): Generator<Placed> {
  const { seed, events, streams, filling = 40 } = options;
  const random = randomFrom(seed);
  const heads = new Map<string, { readonly revision: number; readonly hash: string }>();
  let stream = '';
  for (let n = 0; n < events; n++) {
    if (n === 0 || random(3) > 0) stream = `account-default.test_ü${random(streams)}`;
    const head = heads.get(stream);
    const { event, hash } = chainEvent({
      stream,
      previousHash: head?.hash ?? null,
      type: random(2) === 0 ? 'Granted' : 'Consumed"\u2028',
      data: {
        amount: `${n}`,
        'line\nfeed': 'ä\u{1f600}\\n\u0000'.slice(0, 5),
        nested: { a: [1, 2.5, null, true], z: -0.1 },
        text: 'x'.repeat(random(filling)),
      },
      metadata: { at: n, by: `key_${random(5)}`, zone: 'test' },
    });
    const revision = (head?.revision ?? NO_STREAM) + 1;
    heads.set(stream, { revision, hash });
    yield { stream, revision, event };
  }
}

/** Appends one by one, in order. */
export async function fill(eventStore: EventStore, history: Iterable<Placed>): Promise<void> {
  for (const { stream, revision, event } of history) {
    const [result] = await eventStore.append([{ stream, expectedRevision: revision - 1, events: [event] }]);
    if (result?.outcome !== 'appended') throw new Error(`${stream} revision ${revision} was not appended`);
  }
}

/** The lines of an export. */
export async function linesOf(eventStore: EventStore): Promise<string[]> {
  let text = '';
  await exportLog({
    eventStore,
    write: async (more) => {
      text += more;
    },
  });
  return text.split('\n').slice(0, -1);
}

/** All but the header, which names the log and its positions. */
export const withoutHeader = (lines: readonly string[]): readonly string[] => lines.slice(1);

/** A store that fails from its n-th append on (from 0), before or after it has done it; and counts. */
export function failing(
  eventStore: EventStore,
  at: number,
  when: 'before' | 'after',
): EventStore & { readonly calls: readonly (readonly AppendBatch[])[] } {
  const calls: (readonly AppendBatch[])[] = [];
  return {
    ...eventStore,
    calls,
    append: async (batches) => {
      const fails = calls.length >= at;
      calls.push(batches);
      if (fails && when === 'before') throw new Error('cut');
      const results = await eventStore.append(batches);
      if (fails) throw new Error('cut');
      return results;
    },
  };
}
