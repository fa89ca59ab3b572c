import type { Amount, Instant } from '#libs/kernel';
import type { UsageContext } from './applicability.js';
import type {
  CreditsConsumed,
  GrantEdited,
  GrantIssued,
  HoldCaptured,
  HoldPolicy,
  Lifetime,
  RenewalTemplate,
  RolloverPolicy,
  ShortagePolicy,
  StoredUsage,
} from './events.js';

export type CreditCommand =
  | IssueGrants
  | Consume
  | RecordUsage
  | RevokeGrant
  | ExpireGrant
  | AmendGrant
  | AdjustGrant
  | EditGrant
  | PlaceHold
  | CaptureHold
  | ReleaseHold
  | ReverseConsumption
  | CorrectUsage
  | BeginRenewal
  | RenewBilling
  | AmendRenewal
  | PauseRenewal
  | ResumeRenewal
  | CancelRenewal
  | SettleDue;

/** What a caller decides of a grant; the rest of the stored fact follows. */
export type NewGrant = Omit<
  GrantIssued,
  'amount' | 'effectiveAt' | 'expiresAt' | 'issuedAt' | 'balanceAfter'
> & {
  /** > 0 */
  readonly amount: Amount;
  readonly effectiveAt: Instant;
  /** After effectiveAt; absent: never. */
  readonly expiresAt?: Instant;
};

/** One grant, or the segments of one access schedule. */
export interface IssueGrants {
  readonly type: 'IssueGrants';
  readonly now: Instant;
  readonly grants: readonly NewGrant[];
}

export interface Consume {
  readonly type: 'Consume';
  readonly now: Instant;
  readonly consumptionId: string;
  readonly unit: string;
  /** In the unit; >= 0, and 0 only where a rate rounded it there. */
  readonly amount: Amount;
  readonly onShortage: ShortagePolicy;
  /** Most the account may owe in this unit; absent: no bound. */
  readonly debtLimit?: Amount;
  readonly effectiveAt: Instant;
  readonly context: UsageContext;
  readonly usage?: StoredUsage;
  readonly rating?: { readonly quantity: string; readonly rate: string; readonly rounding?: 'half_up' };
  /** Units for one of what the meter counts, where `amount` was asked for and it is not 1. */
  readonly rate?: string | undefined;
  readonly reference?: string;
}

/** Usage of a meter that measures and draws nothing. */
export interface RecordUsage {
  readonly type: 'RecordUsage';
  readonly now: Instant;
  readonly usage: StoredUsage;
  readonly effectiveAt: Instant;
}

export interface RevokeGrant {
  readonly type: 'RevokeGrant';
  readonly now: Instant;
  readonly grantId: string;
  readonly notes?: string;
}

/** Ends the grant now: what remains is forfeited. */
export interface ExpireGrant {
  readonly type: 'ExpireGrant';
  readonly now: Instant;
  readonly grantId: string;
  readonly notes?: string;
}

/** Sets the initial amount or the window anew; what is absent stays. */
export interface AmendGrant {
  readonly type: 'AmendGrant';
  readonly now: Instant;
  readonly grantId: string;
  /** > 0, and not below what was drawn and is held. */
  readonly amount?: Amount;
  /** Only as long as the grant has neither begun nor given anything. */
  readonly effectiveAt?: Instant;
  /** After now and after all usage it paid for; null: never. */
  readonly expiresAt?: Instant | null;
  readonly reason?: string;
}

/** A manual entry. */
export interface AdjustGrant {
  readonly type: 'AdjustGrant';
  readonly now: Instant;
  readonly grantId: string;
  /** Signed, never 0; downward at most what remains. */
  readonly amount: Amount;
  readonly reason: string;
  readonly reference?: string;
}

/** Sets what says something about a grant; null takes it away, what is absent stays. */
export interface EditGrant {
  readonly type: 'EditGrant';
  readonly now: Instant;
  readonly grantId: string;
  readonly changes: Omit<GrantEdited, 'grantId' | 'unit' | 'editedAt'>;
}

export interface PlaceHold {
  readonly type: 'PlaceHold';
  readonly now: Instant;
  /** New: the caller of decide makes it. */
  readonly holdId: string;
  readonly unit: string;
  /** > 0 */
  readonly amount: Amount;
  readonly onShortage: HoldPolicy;
  readonly effectiveAt: Instant;
  /** After now; absent: held until somebody ends it. */
  readonly expiresAt?: Instant;
  readonly context: UsageContext;
  readonly reference?: string;
}

/** That the hold was placed at some time is checked before. */
export interface CaptureHold {
  readonly type: 'CaptureHold';
  readonly now: Instant;
  readonly holdId: string;
  /** All of it when absent. */
  readonly amount?: Amount;
  /** Lets `amount` be more than is held: the rest is a consumption of its own. Absent: refused. */
  readonly more?: Pick<Consume, 'consumptionId' | 'onShortage' | 'debtLimit'>;
  /** Units for one of what the meter counts, where it is not 1. */
  readonly rate?: string | undefined;
  readonly effectiveAt: Instant;
  readonly usage?: StoredUsage;
  readonly reference?: string;
}

/** That the hold was placed at some time is checked before. */
export interface ReleaseHold {
  readonly type: 'ReleaseHold';
  readonly now: Instant;
  readonly holdId: string;
  readonly reference?: string;
}

/** What must be known of a consumption to take it back: as the account's own stream tells it. */
export interface RecordedConsumption {
  readonly event:
    | { readonly type: 'CreditsConsumed'; readonly data: CreditsConsumed }
    | { readonly type: 'HoldCaptured'; readonly data: HoldCaptured };
  /** What grants paid for its debt, in the order of the log. */
  readonly settlements: readonly { readonly grantId: string; readonly amount: string }[];
}

export interface ReverseConsumption {
  readonly type: 'ReverseConsumption';
  readonly now: Instant;
  readonly reversalId: string;
  readonly consumption: RecordedConsumption;
  /** > 0; all that was not taken back yet when absent. */
  readonly amount?: Amount;
  readonly reason: string;
}

/** Usage of a negative value takes back what was recorded before it. */
export interface CorrectUsage {
  readonly type: 'CorrectUsage';
  readonly now: Instant;
  readonly usage: StoredUsage;
  readonly effectiveAt: Instant;
  /** > 0: how much is taken back. */
  readonly amount: Amount;
  /** Of the same meter, the newest first, and the id of the reversal it may need. */
  readonly consumptions: readonly {
    readonly reversalId: string;
    readonly consumption: RecordedConsumption;
  }[];
}

/** Issues the first grant of a series, and says how it goes on. */
export interface BeginRenewal {
  readonly type: 'BeginRenewal';
  readonly now: Instant;
  readonly seriesId: string;
  /** Its start is the anchor; without an end it lives as long as `lifetime` says. */
  readonly grant: NewGrant;
  /** Canonical RFC 5545 rule without TZID; absent: renewed by billing. */
  readonly rule?: string;
  /** IANA name. */
  readonly zone: string;
  readonly lifetime: Lifetime;
  readonly rollover: RolloverPolicy;
  /** Amount of a renewal. */
  readonly refillAmount: Amount;
  /** End of the first billing period; billing only. */
  readonly periodEnd?: Instant;
}

/** The billing period `[start, end)` has begun. A period renews once. */
export interface RenewBilling {
  readonly type: 'RenewBilling';
  readonly now: Instant;
  readonly seriesId: string;
  readonly period: { readonly start: Instant; readonly end: Instant };
}

/** Changes what later renewals are; what is absent stays. */
export interface AmendRenewal {
  readonly type: 'AmendRenewal';
  readonly now: Instant;
  readonly seriesId: string;
  /** > 0 */
  readonly refillAmount?: Amount;
  readonly lifetime?: Lifetime;
  readonly rollover?: RolloverPolicy;
  /** Attributes of the grants to come. The unit stays. */
  readonly template?: Partial<Omit<RenewalTemplate, 'amount' | 'unit'>>;
  readonly reason?: string;
}

export interface PauseRenewal {
  readonly type: 'PauseRenewal';
  readonly now: Instant;
  readonly seriesId: string;
  readonly reason?: string;
}

export interface ResumeRenewal {
  readonly type: 'ResumeRenewal';
  readonly now: Instant;
  readonly seriesId: string;
  /** End of the billing period that begins now; billing only. */
  readonly periodEnd?: Instant;
  readonly reason?: string;
}

export interface CancelRenewal {
  readonly type: 'CancelRenewal';
  readonly now: Instant;
  readonly seriesId: string;
  /** Lets the series' grants live on to their own end. */
  readonly keepGrants?: boolean;
  readonly reason?: string;
}

/** Records what time made due up to `now`, as much of it as fits into one append: until it records nothing. */
export interface SettleDue {
  readonly type: 'SettleDue';
  readonly now: Instant;
  /** Milliseconds by which the recording of expiries is delayed; none when absent. */
  readonly grace?: number;
}
