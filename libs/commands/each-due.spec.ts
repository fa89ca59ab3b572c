import { expect, it } from '@jest/globals';
import { eachDue } from './each-due.js';

const IDS = ['a', 'b', 'c', 'd', 'e'];
const page = (after: string | null) =>
  Promise.resolve(IDS.filter((id) => after === null || id > after).slice(0, 2));

it('does the rest where one fails, in order, and tells of the first failure', async () => {
  const done: string[] = [];
  const broken = new Error('broken');
  const work = eachDue(
    page,
    async (id) => {
      if (id === 'a') throw broken;
      if (id === 'd') throw new Error('later');
      return Promise.resolve(id.toUpperCase());
    },
    (result) => done.push(result),
  );
  await expect(work).rejects.toBe(broken);
  expect(done).toEqual(['B', 'C', 'E']);
  await expect(
    eachDue(
      page,
      (id) => Promise.resolve(id),
      () => undefined,
    ),
  ).resolves.toBeUndefined();
});

it('does a page at once where it can, and each of it alone where that fails', async () => {
  const done: string[] = [];
  const at = (id: string) => (id === 'c' ? Promise.reject(new Error('broken')) : Promise.resolve(id));
  const together = async (ids: readonly string[]) => (await Promise.all(ids.map(at))).join('+');
  await expect(eachDue(page, at, (result) => done.push(result), together)).rejects.toThrow('broken');
  expect(done).toEqual(['a+b', 'd', 'e']);
});
