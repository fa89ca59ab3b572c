import { expect } from '@jest/globals';
import { Problem, type Decider, type DomainEvent, type ErrorCode } from '#libs/kernel';

type Like<Event extends DomainEvent> = { readonly type: Event['type']; readonly data?: object };

/** Specifications by example: `given` facts, `when` a command arrives, `then` these facts and no others. */
export const specOf = <State, Command, Event extends DomainEvent>(
  decider: Decider<State, Command, Event>,
) => ({
  given: (history: readonly Event[]) => ({
    when: (command: Command) => {
      const state = history.reduce((before, event) => decider.evolve(before, event), decider.initialState);
      const decide = () => decider.decide(command, state);
      return {
        /** Exactly these facts. */
        then: (expected: readonly Event[]) => expect(decide()).toEqual(expected),
        /** As many facts as given here, each with at least the members given here. */
        thenLike: (expected: readonly Like<Event>[]) => expect(decide()).toMatchObject(expected),
        thenNothing: () => expect(decide()).toEqual([]),
        thenThrows: (code: ErrorCode) => expect(codeOf(decide)).toBe(code),
      };
    },
  }),
});

/** Code of the problem that `action` ends with; `none` when it ends well. */
export function codeOf(action: () => unknown): ErrorCode | 'none' {
  try {
    action();
    return 'none';
  } catch (error) {
    if (error instanceof Problem) return error.code;
    throw error;
  }
}
