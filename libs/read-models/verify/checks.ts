import { createChainVerifier, type ChainVerifier, type EventStore } from '#libs/event-store';
import { categoryOf, eventTypesOf, payloadFaults, UnknownEvent, upcast } from '#libs/event-types';
import { projectedEvent } from '../projection.js';
import { checkEvent, unbalanced, uncheckedAccount, type CheckedAccount } from './account-check.js';
import { invoiceCheck } from './invoice-check.js';
import type { LogCheck } from './log-check.js';
import { usageCheck } from './usage-check.js';

/** Accounts by tenant and customer. */
export type Accounts = ReadonlyMap<string, CheckedAccount>;
export const accountKey = (tenant: string, customerId: string): string => `${tenant}\n${customerId}`;

const CREDIT_ACCOUNT = 'creditAccount';
const ACCOUNT_TYPES = eventTypesOf(CREDIT_ACCOUNT);

/** Everything the log is checked for, with what the checks keep: one hash per stream, what is open of each account. */
export function createChecks(eventStore: Pick<EventStore, 'dense' | 'readStream'>): {
  readonly checks: readonly LogCheck[];
  readonly chain: ChainVerifier;
  readonly accounts: Accounts;
} {
  const chain = createChainVerifier();
  const accounts = new Map<string, CheckedAccount>();
  return {
    // the positions before the chains: they look at where each stream stood
    checks: [
      positions(eventStore.dense, chain),
      hashChains(chain),
      payloads(),
      balances(accounts),
      invoiceCheck(),
      usageCheck(eventStore, chain),
    ],
    chain,
    accounts,
  };
}

/** Positions rise, one by one where the log is dense; so do the revisions of each stream; the log ends where its head says. */
function positions(dense: boolean, { heads }: ChainVerifier): LogCheck {
  let checked = 0;
  let last = 0n;
  return {
    name: 'positions',
    of: 'events',
    checked: () => checked,
    check({ position, stream, revision }) {
      checked++;
      const reasons: string[] = [];
      if (dense ? position !== last + 1n : position <= last)
        reasons.push(
          last === 0n ? `the log begins at position ${position}` : `position ${position} follows ${last}`,
        );
      const before = heads.get(stream)?.revision ?? -1;
      if (revision !== before + 1)
        reasons.push(
          before < 0 ? `the stream begins at revision ${revision}` : `revision ${revision} follows ${before}`,
        );
      last = position;
      return reasons;
    },
    *end(end, head) {
      if (end === head) return;
      const reason = `the log ends at position ${end}, its head stands at ${head}`;
      yield { stream: '', revision: -1, position: end < head ? end : head, reason };
    },
  };
}

const hashChains = (chain: ChainVerifier): LogCheck => ({
  name: 'hash chains',
  of: 'events',
  checked: () => chain.checked,
  check(event) {
    const fault = chain.check(event);
    return fault ? [fault.reason] : [];
  },
});

/** Every payload by the schema of the version it was stored with. */
function payloads(): LogCheck {
  let checked = 0;
  return {
    name: 'payloads',
    of: 'events',
    checked: () => checked,
    check(event) {
      checked++;
      return payloadFaults(event);
    },
  };
}

/** Every account, folded by the decider's own code: what its events say stands after them, and where every amount went. */
const balances = (accounts: Map<string, CheckedAccount>): LogCheck => ({
  name: 'balances',
  of: 'accounts',
  checked: () => accounts.size,
  check(event) {
    if (categoryOf(event.stream) !== CREDIT_ACCOUNT) return [];
    const { tenant, entityId } = projectedEvent(event);
    const key = accountKey(tenant, entityId);
    let account = accounts.get(key);
    if (!account) accounts.set(key, (account = uncheckedAccount()));
    try {
      return checkEvent(account, upcast(event, ACCOUNT_TYPES));
    } catch (error) {
      if (!(error instanceof UnknownEvent)) throw error;
      account.broken = true; // it stands among the payloads; what follows cannot be folded
      return [];
    }
  },
  *end() {
    for (const [key, account] of accounts)
      for (const reason of unbalanced(account)) {
        const { state, position } = account;
        const stream = `${CREDIT_ACCOUNT}-${key.replace('\n', '_')}`;
        yield { stream, revision: state.revision, position, reason };
      }
  },
});
