import { readInstant, type Instant } from '#libs/kernel';
import type {
  PlanTerms,
  SeatAdded,
  SeatRemoved,
  SubscriptionChanged,
  SubscriptionCreated,
  SubscriptionEvent,
  SubscriptionPeriodBegun,
} from './events.js';
import { accountOf, activeSeats, type GrantLine, type GrantStep, type Subscription } from './subscription.js';

/** Folds one fact in; null: there is no subscription yet. Throws only when history contradicts itself. */
export function evolve(before: Subscription | null, event: SubscriptionEvent): Subscription {
  if (event.type === 'SubscriptionCreated') return created(event.data);
  if (!before) throw new Error(`${event.type} stands before the creation`);
  const state: Subscription = { ...before, revision: before.revision + 1 };
  if (event.type === 'CommandRefused' || event.type === 'NothingChanged') return state;
  if (event.type === 'GrantsDriven') {
    const { throughRevision } = event.data;
    return { ...state, pending: state.pending.filter(({ revision }) => revision > throughRevision) };
  }
  if (event.type === 'SubscriptionPeriodBegun')
    return { ...periodBegun(state, event.data), updatedAt: readInstant(event.data.start) };
  return { ...changed(state, event), updatedAt: readInstant(event.data.at) };
}

type Changing = Exclude<
  SubscriptionEvent,
  {
    readonly type:
      | 'SubscriptionCreated'
      | 'SubscriptionPeriodBegun'
      | 'GrantsDriven'
      | 'CommandRefused'
      | 'NothingChanged';
  }
>;

function changed(state: Subscription, { type, data }: Changing): Subscription {
  const at = readInstant(data.at);
  switch (type) {
    case 'SubscriptionTrialEnded':
      return { ...state, status: 'active', anchor: at };
    case 'SubscriptionPaused':
      return tell({ ...state, status: 'paused' }, (revision) =>
        state.lines.filter(({ begun }) => begun).map((line) => ({ revision, do: 'pause', line })),
      );
    case 'SubscriptionResumed':
      return beginAnew({ ...state, status: 'active', anchor: at }, 'The subscription was resumed.');
    case 'SubscriptionCancellationScheduled':
      return { ...state, cancelAtPeriodEnd: true };
    case 'SubscriptionCancellationUnscheduled':
      return { ...state, cancelAtPeriodEnd: false };
    case 'SubscriptionCancelled':
      return tell(
        { ...state, status: 'canceled', endedAt: at, change: null, lines: [] },
        (revision): readonly GrantStep[] => [
          ...state.lines.flatMap((line) => ending(revision, line, 'The subscription was cancelled.')),
          { revision, do: 'release' },
        ],
      );
    case 'SubscriptionChanged':
      return termsChanged(state, data, at);
    case 'SubscriptionChangeScheduled':
      return { ...state, change: { terms: data.terms, quantity: data.quantity ?? null } };
    case 'FeatureOverridden': {
      const { slug, value, reason = null, from, until } = data;
      const override = {
        slug,
        value,
        reason,
        from: readInstant(from),
        until: until === null ? null : readInstant(until),
      };
      const open = state.overrides.filter((one) => one.until === null || one.until > at);
      return { ...state, overrides: [...open, override] };
    }
    case 'FeatureOverrideRevoked':
      return { ...state, overrides: state.overrides.filter(({ slug }) => slug !== data.slug) };
    case 'PriceOverridden': {
      const { components, cycles } = data;
      return { ...state, priceOverride: { components, lastPeriod: state.period.number + cycles - 1 } };
    }
    case 'PriceOverrideEnded':
      return { ...state, priceOverride: null };
    case 'SeatAdded':
      return seatAdded(state, data, at);
    case 'SeatRemoved':
      return seatRemoved(state, data, at);
  }
}

function created(data: SubscriptionCreated): Subscription {
  const startedAt = readInstant(data.startedAt);
  const at = readInstant(data.at);
  const { trial, terms, customerId } = data;
  return {
    revision: 0,
    id: data.subscriptionId,
    customerId,
    status: trial ? 'trialing' : 'active',
    terms,
    quantity: data.quantity ?? null,
    metadata: data.metadata ?? null,
    startedAt,
    createdAt: at,
    updatedAt: at,
    anchor: startedAt,
    period: { number: -1, start: startedAt, end: startedAt },
    trial: trial ? { endsAt: readInstant(trial.endsAt), then: trial.then ?? null } : null,
    cancelAtPeriodEnd: false,
    endedAt: null,
    change: null,
    overrides: [],
    priceOverride: null,
    seats: [],
    lines: linesOf(terms, customerId, [], 0),
    pending: [],
  };
}

/** Lines that waited for the period begin; the others are renewed for it. Seats that were removed are counted no more. */
function periodBegun(state: Subscription, { number, ...data }: SubscriptionPeriodBegun): Subscription {
  const [start, end] = [readInstant(data.start), readInstant(data.end)];
  const next: Subscription = {
    ...state,
    period: { number, start, end },
    seats: activeSeats(state),
    lines: state.lines.map((line) => ({ ...line, begun: true })),
  };
  return tell(next, (revision) =>
    state.lines.map((line): GrantStep =>
      line.begun
        ? { revision, do: 'renew', line, start, end }
        : { revision, do: 'begin', line: { ...line, begun: true }, at: start, periodEnd: end },
    ),
  );
}

/** Definitions that both terms have go on as they are, unless the cycle begins anew. */
function termsChanged(state: Subscription, data: SubscriptionChanged, at: Instant): Subscription {
  const { terms, restarts, quantity } = data;
  const next: Subscription = {
    ...state,
    terms,
    quantity: quantity ?? state.quantity,
    change: null,
    trial: state.trial && { ...state.trial, then: null },
    priceOverride: terms.priceId === state.terms.priceId ? state.priceOverride : null,
    ...(restarts ? { anchor: at } : {}),
  };
  if (restarts) return beginAnew(next, 'The subscription was changed.');
  const keeps = new Set(terms.credits.map(({ definitionId }) => definitionId));
  const kept = state.lines.filter(({ definitionId }) => keeps.has(definitionId));
  const has = new Set(kept.map(({ definitionId }) => definitionId));
  // between two periods nothing begins before the next one does
  const begun = at < state.period.end;
  const fresh = linesOf(terms, state.customerId, activeSeats(state), next.revision)
    .filter(({ definitionId }) => !has.has(definitionId))
    .map((line) => ({ ...line, begun }));
  return tell({ ...next, lines: [...kept, ...fresh] }, (revision) => [
    ...state.lines
      .filter(({ definitionId }) => !keeps.has(definitionId))
      .flatMap((line) => ending(revision, line, 'The subscription was changed.')),
    ...(begun ? fresh.map((line) => beginning(revision, line, at, state)) : []),
  ]);
}

/** Every line ends; those of the terms begin with the next period. */
function beginAnew(state: Subscription, reason: string): Subscription {
  const has = new Set(state.lines.map(nameOf));
  const lines = linesOf(state.terms, state.customerId, activeSeats(state), state.revision).map((line) => ({
    ...line,
    again: has.has(nameOf(line)),
  }));
  return tell({ ...state, lines }, (revision) =>
    state.lines.flatMap((line) => ending(revision, line, reason)),
  );
}

function seatAdded(state: Subscription, data: SeatAdded, at: Instant): Subscription {
  const { customerId, externalCustomerId } = data;
  const seat = { customerId, externalCustomerId, addedAt: at, removedAt: null };
  const fresh = seatLines(state.terms, state.customerId, customerId, state.revision).map((line) => ({
    ...line,
    begun: true,
  }));
  const next = { ...state, seats: [...state.seats, seat], lines: [...state.lines, ...fresh] };
  return tell(next, (revision) => fresh.map((line) => beginning(revision, line, at, state)));
}

function seatRemoved(state: Subscription, { customerId }: SeatRemoved, at: Instant): Subscription {
  const isSeat = (seat: { readonly customerId: string; readonly removedAt: Instant | null }): boolean =>
    seat.customerId === customerId && seat.removedAt === null;
  const next = {
    ...state,
    seats: state.seats.map((seat) => (isSeat(seat) ? { ...seat, removedAt: at } : seat)),
    lines: state.lines.filter(({ seat }) => seat !== customerId),
  };
  return tell(next, (revision) =>
    state.lines
      .filter(({ seat }) => seat === customerId)
      .flatMap((line) => ending(revision, line, 'The seat was removed.', true)),
  );
}

const nameOf = ({ definitionId, seat }: GrantLine): string => `${definitionId} ${seat ?? ''}`;

const tell = (state: Subscription, steps: (revision: number) => readonly GrantStep[]): Subscription => ({
  ...state,
  pending: [...state.pending, ...steps(state.revision)],
});

const beginning = (revision: number, line: GrantLine, at: Instant, { period }: Subscription): GrantStep => ({
  revision,
  do: 'begin',
  line,
  at,
  periodEnd: period.end,
});

/** What has not begun has nothing to end. */
const ending = (revision: number, line: GrantLine, reason: string, revoke = false): readonly GrantStep[] =>
  line.begun ? [{ revision, do: 'end', line, revoke, reason }] : [];

const linesOf = (
  terms: PlanTerms,
  customerId: string,
  seats: readonly { readonly customerId: string }[],
  generation: number,
): readonly GrantLine[] => [
  ...terms.credits.map(({ definitionId }) => ({
    definitionId,
    customerId,
    seat: null,
    generation,
    begun: false,
    again: false,
  })),
  ...seats.flatMap((seat) => seatLines(terms, customerId, seat.customerId, generation)),
];

const seatLines = (
  { credits }: PlanTerms,
  customerId: string,
  seat: string,
  generation: number,
): readonly GrantLine[] =>
  credits.flatMap(({ definitionId, seats }) =>
    seats === undefined
      ? []
      : [
          {
            definitionId,
            customerId: accountOf(seats, customerId, seat),
            seat,
            generation,
            begun: false,
            again: false,
          },
        ],
  );
