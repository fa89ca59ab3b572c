import { Problem } from '#libs/kernel';
import type { AccountState } from './account.js';
import type { CommandRefused, CreditEvent, RefusalCode } from './events.js';
import { evolve } from './evolve.js';

/** Facts in the order in which they are made, with the account as it stands after the last one. */
export function factsFrom(start: AccountState) {
  const events: CreditEvent[] = [];
  let state = start;
  return {
    events,
    get state(): AccountState {
      return state;
    },
    record(...made: readonly CreditEvent[]): void {
      for (const event of made) {
        events.push(event);
        state = evolve(state, event);
      }
    },
  };
}
export type Facts = ReturnType<typeof factsFrom>;

/** What a command's subject does not allow, as the fact that is all the command causes. */
export const refused = (
  command: CommandRefused['command'],
  code: RefusalCode,
  subject: Pick<CommandRefused, 'grantId' | 'holdId' | 'consumptionId' | 'seriesId'>,
  detail: string,
): CreditEvent => ({ type: 'CommandRefused', data: { command, code, detail, ...subject } });

export const outOfRange = (unit: string): Problem =>
  new Problem('validation_failed', `The balance in ${unit} would leave the range of amounts.`, [
    { pointer: '/amount', code: 'amount_out_of_range', message: 'at most 24 digits before the point' },
  ]);

export const isEmpty = (value: object): boolean => {
  for (const _key in value) return false;
  return true;
};
