/**
 * A decision-maker over one stream. Plain functions on readonly data: no clock, no random, no I/O.
 * `decide` answers a command with the facts it causes; a refusal that must be remembered is a fact too.
 * `evolve` never refuses a fact.
 */
export interface Decider<State, Command, Event> {
  readonly initialState: State;
  decide(command: Command, state: State): readonly Event[];
  evolve(state: State, event: Event): State;
}

/** A fact: its name and a payload made of JSON primitives only, so that stored history outlives the code. */
export interface DomainEvent<Type extends string = string, Data = Readonly<unknown>> {
  readonly type: Type;
  readonly data: Data;
}
