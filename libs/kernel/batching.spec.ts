import { expect, test } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';
import { inBatches } from './batching.js';

/** Answers when it is told to. */
function givenBatches(options: Parameters<typeof inBatches>[1]) {
  const asked: { readonly questions: readonly number[]; readonly end: (error?: Error) => void }[] = [];
  const ask = inBatches(
    (questions: readonly number[]) =>
      new Promise<readonly string[]>((resolve, reject) => {
        const end = (error?: Error) => (error ? reject(error) : resolve(questions.map(String)));
        asked.push({ questions, end });
      }),
    options,
  );
  const batches = () => asked.map(({ questions }) => questions);
  return { ask, asked, batches };
}

test('what is asked in one turn goes together, what comes meanwhile in the next batch', async () => {
  const { ask, asked, batches } = givenBatches({ most: 10, atOnce: 1, worth: 1 });
  const answers = [ask(1), ask(2)];
  await turn();
  answers.push(ask(3));
  await turn();
  answers.push(ask(4));
  await turn();
  expect(batches()).toEqual([[1, 2]]);
  asked[0]!.end();
  await Promise.all(answers.slice(0, 2));
  await turn();
  expect(batches()).toEqual([
    [1, 2],
    [3, 4],
  ]);
  asked[1]!.end();
  expect(await Promise.all(answers)).toEqual(['1', '2', '3', '4']);
});

test('a batch goes out beside another one when it is worth it, and takes no more than it may', async () => {
  const { ask, asked, batches } = givenBatches({ most: 3, atOnce: 2, worth: 2 });
  const answers = [ask(1)];
  await turn();
  answers.push(ask(2));
  await turn();
  expect(batches()).toEqual([[1]]);
  answers.push(...[3, 4, 5, 6].map(ask));
  await turn();
  expect(batches()).toEqual([[1], [2, 3, 4]]);
  asked[0]!.end();
  asked[1]!.end();
  await Promise.all(answers.slice(0, 4));
  await turn();
  expect(batches().at(-1)).toEqual([5, 6]);
  asked[2]!.end();
  expect(await Promise.all(answers)).toEqual(['1', '2', '3', '4', '5', '6']);
});

test('all of a batch are told of its failure, and the next one is asked', async () => {
  const { ask, asked } = givenBatches({ most: 10, atOnce: 1, worth: 1 });
  const failing = [ask(1), ask(2)].map((answer) =>
    answer.catch((error: unknown) => (error as Error).message),
  );
  await turn();
  const next = ask(3);
  asked[0]!.end(new Error('gone'));
  expect(await Promise.all(failing)).toEqual(['gone', 'gone']);
  await turn();
  asked[1]!.end();
  expect(await next).toBe('3');
});
