import { formatAmount, formatInstant, readInstant, type Instant } from '#libs/kernel';
import { accountAsOf, type CreditEvent, type UnitAsOf } from '#libs/credits';
import type { EventStore, Position, RecordedEvent } from '#libs/event-store';
import { eventTypesOf, upcast } from '#libs/event-types';
import type { BalancesAnswer, UnitBalance } from './balances.query.js';

const ACCOUNT_EVENTS = eventTypesOf('creditAccount');

/** Up to where the log is known: a position, or the last one recorded at or before a time; absent: all of it. */
export type KnownUntil = { readonly position: Position } | { readonly recordedAt: Instant } | undefined;

/**
 * A customer's balances at `at` as was known then or is known now, folded from the log itself. The answer names the
 * position of the account's last event it takes in: the same `at` with that position is answered the same for ever.
 * @throws UnknownEvent for one among those it would take in
 */
export async function balancesAsOf(
  eventStore: Pick<EventStore, 'readStream'>,
  stream: string,
  customerId: string,
  {
    unit,
    at,
    known,
  }: { readonly unit?: string | undefined; readonly at: Instant; readonly known: KnownUntil },
): Promise<BalancesAnswer> {
  const events: CreditEvent[] = [];
  let position: Position = 0n;
  for await (const event of eventStore.readStream(stream)) {
    if (!isKnown(event, known)) break; // positions and recorded times only grow in a stream
    const { type, data } = upcast(event, ACCOUNT_EVENTS);
    events.push({ type, data } as unknown as CreditEvent);
    position = event.position;
  }
  const units = accountAsOf(events, at).filter((one) => unit === undefined || one.unit === unit);
  return { customerId, at: formatInstant(at), position: Number(position), balances: units.map(balanceOf) };
}

function isKnown({ position, metadata }: RecordedEvent, known: KnownUntil): boolean {
  if (known === undefined) return true;
  if ('position' in known) return position <= known.position;
  return readInstant(String(metadata['recordedAt'])) <= known.recordedAt;
}

const balanceOf = ({ unit, ledger, held, debt, scheduled, nextExpiry, grants }: UnitAsOf): UnitBalance => ({
  unit,
  ledger: formatAmount(ledger),
  held: formatAmount(held),
  debt: formatAmount(debt),
  available: formatAmount(ledger - held),
  scheduled: formatAmount(scheduled),
  nextExpiry: nextExpiry && { at: formatInstant(nextExpiry.at), amount: formatAmount(nextExpiry.amount) },
  grants,
});
