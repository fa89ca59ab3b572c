import type { RecordedEvent } from '#libs/event-store';
import { Problem } from '#libs/kernel';
import { metadataMember } from './metadata-member.js';
import type { StoredEvents } from './stored-events.js';

type Data = RecordedEvent['data'];

/** Turns a payload of one version into the next. Pure: the same stored bytes are the same fact for ever. */
export interface Upcaster {
  /** What it does, for people: it stands in docs/events.md. */
  readonly says: string;
  readonly upcast: (data: Data) => Data;
}

/** One type of event. `upcasters[n - 1]` makes version n + 1 of version n. */
export interface EventType {
  /** The newest version, the one that is written. */
  readonly version: number;
  readonly upcasters: readonly Upcaster[];
}

/** The types of one category of streams, by name. */
export type CategoryTypes = ReadonlyMap<string, EventType>;
/** By category. */
export type EventTypes = ReadonlyMap<string, CategoryTypes>;

/** A type whose first shape is still the newest. */
const first: EventType = { version: 1, upcasters: [] };
/** A type that has changed: one upcaster for each older version, the oldest first. */
export const changed = (...upcasters: readonly Upcaster[]): EventType => ({
  version: upcasters.length + 1,
  upcasters,
});

const document = <Name extends string>(name: Name) =>
  ({ [`${name}Created`]: first, [`${name}Updated`]: first, [`${name}Archived`]: first }) as Readonly<
    Record<`${Name}Created` | `${Name}Updated` | `${Name}Archived`, EventType>
  >;

const expiryCause: Upcaster = {
  says: 'adds `cause: "ended"`: there was no other cause then.',
  upcast: (data) => ({ ...data, cause: 'ended' }),
};

/** Every type there is: one that is missing here does not compile. */
const TYPES: {
  readonly [C in keyof StoredEvents]: { readonly [T in StoredEvents[C]['type']]: EventType };
} = {
  creditAccount: {
    GrantIssued: first,
    GrantActivated: first,
    CreditsConsumed: first,
    ConsumptionRefused: first,
    UsageRecorded: first,
    DebtSettled: first,
    GrantExpired: changed(expiryCause),
    GrantVoided: first,
    GrantAmended: first,
    GrantAdjusted: first,
    GrantEdited: first,
    HoldPlaced: first,
    HoldRefused: first,
    HoldCaptured: first,
    HoldReleased: first,
    ConsumptionReversed: first,
    RenewalBegun: first,
    GrantRenewed: first,
    BalanceCarried: first,
    RenewalAmended: first,
    RenewalPaused: first,
    RenewalResumed: first,
    RenewalCancelled: first,
    CommandRefused: first,
  },
  unit: document('Unit'),
  meter: document('Meter'),
  feature: document('Feature'),
  plan: document('Plan'),
  price: document('Price'),
  customer: document('Customer'),
  creditDefinition: document('CreditDefinition'),
  merchant: document('Merchant'),
  invoice: {
    InvoiceSealed: first,
    InvoiceFinalized: first,
    PaymentRecorded: first,
    PaymentRequested: first,
    PaymentFailed: first,
    InvoicePaid: first,
    InvoiceUnpaid: first,
    InvoiceUncollectible: first,
    InvoiceVoided: first,
    CreditNoteOpened: first,
    CreditNoteIssued: first,
    CreditsDriven: first,
    SubscriptionDriven: first,
    CommandRefused: first,
    NothingChanged: first,
  },
  paymentMethods: {
    PaymentMethodAdded: first,
    PaymentMethodRemoved: first,
    PaymentMethodsReordered: first,
  },
  unmatchedPayments: { PaymentUnmatched: first },
  invoiceNumbers: { NumbersTaken: first },
  subscriptionBilling: { ChargesClosed: first },
  pricingTable: document('PricingTable'),
  enrollmentRule: document('EnrollmentRule'),
  subscription: {
    SubscriptionCreated: first,
    SubscriptionPeriodBegun: first,
    SubscriptionTrialEnded: first,
    SubscriptionPaused: first,
    SubscriptionResumed: first,
    SubscriptionCancellationScheduled: first,
    SubscriptionCancellationUnscheduled: first,
    SubscriptionCancelled: first,
    SubscriptionChanged: first,
    SubscriptionChangeScheduled: first,
    FeatureOverridden: first,
    FeatureOverrideRevoked: first,
    PriceOverridden: first,
    PriceOverrideEnded: first,
    SeatAdded: first,
    SeatRemoved: first,
    GrantsDriven: first,
    CommandRefused: first,
    NothingChanged: first,
  },
  claim: { Claimed: first, Released: first },
  apiKey: { ApiKeyCreated: first, ApiKeyRevoked: first },
  installation: { InstallationStarted: first },
  testClock: { TestClockAdvanced: first },
  jobRun: { JobRan: first },
};

/** Every type of event the product knows. Streams of other categories are somebody else's. */
export const EVENT_TYPES: EventTypes = new Map(
  Object.entries(TYPES).map(([category, types]) => [category, new Map(Object.entries(types))]),
);

/** The types of one of our own categories. @throws Error for another one: that is a mistake in the program */
export function eventTypesOf(category: string, types: EventTypes = EVENT_TYPES): CategoryTypes {
  const own = types.get(category);
  if (own === undefined) throw new Error(`there is no event of category ${category}`);
  return own;
}

/** An event that this version of the product does not know: whoever reads the log stops in front of it, nobody guesses. */
export class UnknownEvent extends Problem {
  override readonly name = 'UnknownEvent';
  readonly position: bigint;

  constructor({ stream, revision, position, type, metadata }: RecordedEvent, known: EventType | undefined) {
    const { schemaVersion } = metadata;
    const what = `${type}${known === undefined ? '' : `, version ${JSON.stringify(schemaVersion) ?? 'none'}`}`;
    super(
      'history_unreadable',
      `unknown event: ${what}, at revision ${revision} of stream ${stream}, position ${position}`,
    );
    this.position = position;
  }
}

/**
 * The event in its newest shape; itself where it has that already, so that the newest costs a look-up.
 * @param types of its stream's category
 * @throws UnknownEvent when the category has no such type, or the version is none that is known
 */
export function upcast(event: RecordedEvent, types: CategoryTypes): RecordedEvent {
  const known = types.get(event.type);
  const version = metadataMember(event, 'schemaVersion');
  if (known !== undefined && version === known.version) return event;
  if (known === undefined || !isVersion(version) || version > known.version)
    throw new UnknownEvent(event, known);
  const data = known.upcasters.slice(version - 1).reduce((older, one) => one.upcast(older), event.data);
  const { id, stream, revision, position, type } = event; // a store's event may be of a class of its own
  return {
    id,
    stream,
    revision,
    position,
    type,
    data,
    metadata: { ...event.metadata, schemaVersion: known.version },
  };
}

const isVersion = (version: unknown): version is number =>
  Number.isSafeInteger(version) && Number(version) >= 1;
