import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { expectProblem, newCustomer, newMeter, openWorld, type World } from '../e2e/world.js';

/** More commands than may wait, while the log is held up: whoever is turned away is told when to come again. */

let world: World;
let holder: pg.Client;

beforeAll(async () => {
  world = await openWorld();
  holder = new pg.Client({ connectionString: world.store.database.url });
  await holder.connect();
});

afterAll(async () => {
  await holder.end();
  await world.close();
});

test('a batch that finds no room is 503, one that finds some says what to send again', async () => {
  const { api } = world;
  const { eventName } = await newMeter(api, { aggregation: 'max' });
  const customerId = await newCustomer(api);
  const events = Array.from({ length: 999 }, () => ({ eventName, customerId, eventValue: 1 }));
  // 20,000 may wait: 20 batches whole, 20 events of one more, nothing of the last
  await holder.query('begin; select from event_store.log_head for update');
  const sent = Array.from({ length: 22 }, () => api.post('/v1/events/batch', { events }));
  const turnedAway = await Promise.race(sent);
  await holder.query('commit');
  expectProblem(turnedAway, 503, 'overloaded');
  expect(turnedAway.headers.get('retry-after')).toBe('1');

  const answers = (await Promise.all(sent)).filter((answer) => answer !== turnedAway);
  expect(answers.map(({ status }) => status)).toEqual(Array<number>(21).fill(202));
  const byAccepted = answers.sort((a, b) => a.body.accepted - b.body.accepted);
  expect(byAccepted.map(({ body }) => body.accepted)).toEqual([20, ...Array<number>(20).fill(999)]);
  const [some, ...whole] = byAccepted;
  expect(some!.headers.get('retry-after')).toBe('1');
  expect(some!.headers.get('log-position')).toMatch(/^\d+$/);
  expect(new Set(some!.body.errors.map(({ error }: any) => `${error.status} ${error.code}`))).toEqual(
    new Set(['503 overloaded']),
  );
  expect(whole.map(({ headers }) => headers.get('retry-after'))).toEqual(Array<null>(20).fill(null));
});
