import { expect, test } from '@jest/globals';
import { sharedRead } from './shared-read.js';

/** Reads that end when the test says so, each with what was there when it began. */
function readable() {
  const state = { value: 0, begun: 0 };
  const ends: ((error?: Error) => void)[] = [];
  const read = sharedRead(() => {
    state.begun++;
    const { value } = state;
    return new Promise<number>((resolve, reject) =>
      ends.push((error) => (error ? reject(error) : resolve(value))),
    );
  });
  const begins = async (): Promise<void> => {
    await Promise.resolve();
    await Promise.resolve();
  };
  return { state, read, ends, begins };
}

test('those who ask while a read is under way share the next one, and are told what was there after they asked', async () => {
  const { state, read, ends, begins } = readable();
  const first = [read(), read()];
  await begins();
  expect(state.begun).toBe(1);
  state.value = 7;
  const later = Array.from({ length: 100 }, () => read());
  await begins();
  expect(state.begun).toBe(1);
  ends[0]!();
  expect(await Promise.all(first)).toEqual([0, 0]);
  await begins();
  expect(state.begun).toBe(2);
  ends[1]!();
  expect(new Set(await Promise.all(later))).toEqual(new Set([7]));
});

test('one that fails is told to those who shared it, and is over for those who come after', async () => {
  const { read, ends, begins } = readable();
  const failing = [read(), read()].map((one) => one.catch(({ message }: Error) => message));
  await begins();
  const after = read();
  ends[0]!(new Error('away'));
  expect(await Promise.all(failing)).toEqual(['away', 'away']);
  await begins();
  ends[1]!();
  expect(await after).toBe(0);
});
