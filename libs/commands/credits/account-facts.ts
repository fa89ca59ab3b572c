import type { Instant } from '#libs/kernel';
import { allDue, evolve, type AccountState, type CreditEvent } from '#libs/credits';
import type { Position, RecordedEvent } from '#libs/event-store';
import { recordedAtOf, streamName, upcast } from '#libs/event-types';
import type { CreditsDeps } from './deps.js';

/** One recorded fact of an account. */
export type AccountFact = CreditEvent & {
  readonly revision: number;
  readonly position: Position;
  readonly recordedAt: Instant;
  readonly metadata: RecordedEvent['metadata'];
};

/** An account's facts from the inclusive revision `from` on, read from the log itself, in the newest shape. */
export async function* factsOf(
  { eventStore, account }: Pick<CreditsDeps, 'eventStore' | 'account'>,
  tenant: string,
  customerId: string,
  from = 0,
): AsyncGenerator<AccountFact> {
  for await (const event of eventStore.readStream(streamName(account.category, tenant, customerId), from)) {
    const { type, data } = upcast(event, account.eventTypes);
    const { revision, position, metadata } = event;
    const recordedAt = recordedAtOf(event);
    yield { type, data, revision, position, metadata, recordedAt } as unknown as AccountFact;
  }
}

/** The fact at a revision, which a lookup has named. */
export async function factAt(
  deps: Pick<CreditsDeps, 'eventStore' | 'account'>,
  tenant: string,
  customerId: string,
  revision: number,
): Promise<AccountFact> {
  for await (const fact of factsOf(deps, tenant, customerId, revision)) return fact;
  throw new Error(`no event at revision ${revision} of the account of ${customerId}`);
}

/** The account as a decision taken now would find it: the end of the log, and what time has made due since. */
export async function settledAccount(
  deps: CreditsDeps,
  tenant: string,
  customerId: string,
): Promise<{ readonly state: AccountState; readonly now: Instant; readonly position: Position }> {
  const { state, position } = await deps.writer.read(deps.account, tenant, customerId);
  const now = deps.now(tenant);
  return { state: allDue(state, now, deps.expiryGrace).reduce(evolve, state), now, position };
}
