/** Where time comes from. Everything below the entry points gets its `now` from here, as data. */
export interface Clock {
  /** UTC milliseconds as seen by `environment`; a test environment may have a time of its own. */
  now(environment: string): number;
}

/** The time of this machine, the same for every environment. */
export const systemClock = (): Clock => ({ now: () => Date.now() });
