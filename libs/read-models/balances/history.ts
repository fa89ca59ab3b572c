import type { Instant } from '#libs/kernel';
import {
  allDue,
  createTimeline,
  evolve,
  initialAccount,
  type AccountState,
  type CreditEvent,
  type UnitAsOf,
} from '#libs/credits';
import type { EventStore, Position, RecordedEvent } from '#libs/event-store';
import { eventTypesOf, recordedAtOf, upcast } from '#libs/event-types';

const ACCOUNT_EVENTS = eventTypesOf('creditAccount');

/** Up to where the log is known: a position, or the last one recorded at or before a time; absent: all of it. */
export type KnownUntil = { readonly position: Position } | { readonly recordedAt: Instant } | undefined;

/** One account's log, reduced to what questions about any time need. */
export interface History {
  /** How much is kept. */
  readonly size: number;
  asOf(
    known: KnownUntil,
    at: Instant,
  ): Promise<{ readonly units: readonly UnitAsOf[]; readonly position: Position }>;
}

/**
 * Nothing is read before the first question. The log only grows, so what is kept stays true.
 * @param stateEvery fewest facts between two states that are kept: the most that a question about an earlier position folds
 *   again, unless the states are larger than that
 */
export function createHistory(
  eventStore: Pick<EventStore, 'readStream'>,
  stream: string,
  stateEvery: number,
): History {
  const timeline = createTimeline();
  // of each fact; both only grow in a stream
  const positions: Position[] = [];
  const recordedAts: Instant[] = [];
  let state = initialAccount;
  const states: { readonly count: number; readonly state: AccountState }[] = [{ count: 0, state }];
  let weight = 0;
  let reading: Promise<unknown> = Promise.resolve();

  const isWithin = (known: KnownUntil, position: Position, recordedAt: Instant): boolean =>
    known === undefined ||
    ('position' in known ? position <= known.position : recordedAt <= known.recordedAt);

  function take(event: RecordedEvent): void {
    const fact = upcast(event, ACCOUNT_EVENTS) as unknown as CreditEvent;
    const after = evolve(state, fact); // throws before anything is kept
    const recordedAt = recordedAtOf(event);
    timeline.add({ fact, recordedAt });
    positions.push(event.position);
    recordedAts.push(recordedAt);
    state = after;
    // no more states than facts, however large they are
    const since = positions.length - states.at(-1)!.count;
    const size = since < stateEvery ? Infinity : sizeOf(state);
    if (since < size) return;
    states.push({ count: positions.length, state });
    weight += size;
  }

  /** Takes in what the question is about, so far as it is not in yet. */
  async function readUntil(known: KnownUntil): Promise<void> {
    const last = positions.length - 1;
    if (last >= 0 && !isWithin(known, positions[last]!, recordedAts[last]!)) return;
    if (known !== undefined && 'position' in known && positions[last] === known.position) return;
    for await (const event of eventStore.readStream(stream, positions.length)) {
      if (!isWithin(known, event.position, recordedAtOf(event))) return;
      take(event);
    }
  }

  /** How many facts are known: those from the first on that are within. */
  function countOf(known: KnownUntil): number {
    let low = 0;
    let high = positions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isWithin(known, positions[middle]!, recordedAts[middle]!)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  async function stateAfter(count: number): Promise<AccountState> {
    if (count === positions.length) return state;
    const nearest = states.findLast((one) => one.count <= count)!;
    let folded = nearest.state;
    if (nearest.count < count)
      for await (const event of eventStore.readStream(stream, nearest.count)) {
        folded = evolve(folded, upcast(event, ACCOUNT_EVENTS) as unknown as CreditEvent);
        if (event.revision === count - 1) break;
      }
    return folded;
  }

  return {
    get size() {
      return 1 + positions.length + timeline.size + weight + sizeOf(state);
    },
    async asOf(known, at) {
      // one reads at a time; what another's reading met is not this one's concern
      const turn = reading.then(() => readUntil(known));
      reading = turn.catch(() => undefined);
      await turn;
      const count = countOf(known);
      const due = allDue(await stateAfter(count), at);
      return { units: timeline.asOf(count, due, at), position: count === 0 ? 0n : positions[count - 1]! };
    },
  };
}

function sizeOf({ units, ended, uniquenessKeys, holds, reversed, series }: AccountState): number {
  let size = ended.size + uniquenessKeys.size + holds.size + reversed.size + series.size;
  for (const { grants, debts } of units.values()) size += grants.length + debts.length;
  return size;
}
