import { formatInstant, type Decider } from '#libs/kernel';
import { initialAccount, type AccountState } from './account.js';
import { adjustGrant, amendGrant, editGrant, expireGrant, revokeGrant } from './amend.js';
import type { CreditCommand } from './commands.js';
import { consume } from './consume.js';
import { DUE_ROOM, dueFacts } from './due.js';
import type { CreditEvent } from './events.js';
import { evolve } from './evolve.js';
import { captureHold, placeHold, releaseHold } from './hold.js';
import { issueGrants } from './issue.js';
import {
  amendRenewal,
  beginRenewal,
  cancelRenewal,
  pauseRenewal,
  renewBilling,
  resumeRenewal,
} from './renewal.js';
import { correctUsage, reverseConsumption } from './reverse.js';

/**
 * The choices of a credit account. What time has made due must already be recorded (see {@link dueFacts}).
 * @throws Problem `grant_not_found`; `not_found` for a series; `already_exists` for the id of a grant, an open hold or a
 *   series; `write_conflict` where what the command carries of a consumption is no longer all there is;
 *   `validation_failed` for a rule that never matches, and where a balance would leave the range of amounts
 */
export function decide(command: CreditCommand, state: AccountState): readonly CreditEvent[] {
  switch (command.type) {
    case 'IssueGrants':
      return issueGrants(command, state);
    case 'Consume':
      return [consume(command, state)];
    case 'RecordUsage': {
      const { usage, effectiveAt } = command;
      return [{ type: 'UsageRecorded', data: { usage, effectiveAt: formatInstant(effectiveAt) } }];
    }
    case 'RevokeGrant':
      return [revokeGrant(command, state)];
    case 'ExpireGrant':
      return [expireGrant(command, state)];
    case 'AmendGrant':
      return amendGrant(command, state);
    case 'AdjustGrant':
      return [adjustGrant(command, state)];
    case 'EditGrant':
      return [editGrant(command, state)];
    case 'PlaceHold':
      return [placeHold(command, state)];
    case 'CaptureHold':
      return captureHold(command, state);
    case 'ReleaseHold':
      return [releaseHold(command, state)];
    case 'ReverseConsumption':
      return [reverseConsumption(command, state)];
    case 'CorrectUsage':
      return correctUsage(command, state);
    case 'BeginRenewal':
      return beginRenewal(command, state);
    case 'RenewBilling':
      return renewBilling(command, state);
    case 'AmendRenewal':
      return [amendRenewal(command, state)];
    case 'PauseRenewal':
      return [pauseRenewal(command, state)];
    case 'ResumeRenewal':
      return resumeRenewal(command, state);
    case 'CancelRenewal':
      return cancelRenewal(command, state);
    case 'SettleDue':
      return dueFacts(state, command.now, command.grace, DUE_ROOM);
  }
}

export const creditAccount: Decider<AccountState, CreditCommand, CreditEvent> = {
  initialState: initialAccount,
  decide,
  evolve,
};
