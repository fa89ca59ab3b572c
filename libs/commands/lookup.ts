/** At once when it is known, else later. Await it either way. */
export type Lookup<T> = T | null | Promise<T | null>;

/** Goes on at once with what is known, and later with what is not. */
export const follow = <A, B>(value: A | Promise<A>, next: (value: A) => B | Promise<B>): B | Promise<B> =>
  value instanceof Promise ? value.then(next) : next(value);
