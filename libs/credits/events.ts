import type { StoredId } from '#libs/kernel';
import type {
  GrantActivated,
  GrantAdjusted,
  GrantAmended,
  GrantEdited,
  GrantExpired,
  GrantIssued,
  GrantVoided,
} from './grant-events.js';
import type { HoldCaptured, HoldPlaced, HoldRefused, HoldReleased } from './hold-events.js';
import type {
  BalanceCarried,
  GrantRenewed,
  RenewalAmended,
  RenewalBegun,
  RenewalCancelled,
  RenewalPaused,
  RenewalResumed,
} from './renewal-events.js';
import type {
  ConsumptionRefused,
  ConsumptionReversed,
  CreditsConsumed,
  DebtSettled,
  UsageRecorded,
} from './usage-events.js';

export * from './grant-events.js';
export * from './hold-events.js';
export * from './renewal-events.js';
export * from './usage-events.js';

/**
 * The facts of a credit account, as they are stored: JSON primitives only, amounts as canonical decimal strings,
 * times as ISO 8601 in UTC. Members that do not apply are absent. A stored shape never changes; a new one is a new version.
 */
export type CreditEvent =
  | { readonly type: 'GrantIssued'; readonly data: GrantIssued }
  | { readonly type: 'GrantActivated'; readonly data: GrantActivated }
  | { readonly type: 'CreditsConsumed'; readonly data: CreditsConsumed }
  | { readonly type: 'ConsumptionRefused'; readonly data: ConsumptionRefused }
  | { readonly type: 'UsageRecorded'; readonly data: UsageRecorded }
  | { readonly type: 'DebtSettled'; readonly data: DebtSettled }
  | { readonly type: 'GrantExpired'; readonly data: GrantExpired }
  | { readonly type: 'GrantVoided'; readonly data: GrantVoided }
  | { readonly type: 'GrantAmended'; readonly data: GrantAmended }
  | { readonly type: 'GrantAdjusted'; readonly data: GrantAdjusted }
  | { readonly type: 'GrantEdited'; readonly data: GrantEdited }
  | { readonly type: 'HoldPlaced'; readonly data: HoldPlaced }
  | { readonly type: 'HoldRefused'; readonly data: HoldRefused }
  | { readonly type: 'HoldCaptured'; readonly data: HoldCaptured }
  | { readonly type: 'HoldReleased'; readonly data: HoldReleased }
  | { readonly type: 'ConsumptionReversed'; readonly data: ConsumptionReversed }
  | { readonly type: 'RenewalBegun'; readonly data: RenewalBegun }
  | { readonly type: 'GrantRenewed'; readonly data: GrantRenewed }
  | { readonly type: 'BalanceCarried'; readonly data: BalanceCarried }
  | { readonly type: 'RenewalAmended'; readonly data: RenewalAmended }
  | { readonly type: 'RenewalPaused'; readonly data: RenewalPaused }
  | { readonly type: 'RenewalResumed'; readonly data: RenewalResumed }
  | { readonly type: 'RenewalCancelled'; readonly data: RenewalCancelled }
  | { readonly type: 'CommandRefused'; readonly data: CommandRefused };

/** A command that its subject's state does not allow. It stays refused under its key. Names what it was about. */
export interface CommandRefused {
  readonly command:
    | 'IssueGrants'
    | 'RevokeGrant'
    | 'ExpireGrant'
    | 'AmendGrant'
    | 'AdjustGrant'
    | 'EditGrant'
    | 'CaptureHold'
    | 'ReleaseHold'
    | 'ReverseConsumption'
    | 'CorrectUsage'
    | 'BeginRenewal'
    | 'RenewBilling'
    | 'AmendRenewal'
    | 'PauseRenewal'
    | 'ResumeRenewal'
    | 'CancelRenewal';
  readonly code: RefusalCode;
  readonly detail: string;
  readonly grantId?: StoredId;
  readonly holdId?: StoredId;
  readonly consumptionId?: StoredId;
  readonly seriesId?: StoredId;
}

export type RefusalCode =
  | 'grant_not_active'
  | 'uniqueness_key_used'
  | 'amount_in_use'
  | 'window_in_use'
  | 'hold_not_open'
  | 'hold_exceeded'
  | 'consumption_exceeded'
  | 'renewal_not_active';
