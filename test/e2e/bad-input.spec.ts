import { beforeAll, describe, expect, test } from '@jest/globals';
import { bootstrapOf, makeKeys, startServer } from '../support/server.js';
import type { Answer, Payload } from '../support/client.js';
import { CREDIT_ROUTES } from './bad-credit-routes.js';
import { PLAN_ROUTES } from './bad-plan-routes.js';
import { PAYMENT_ROUTES, preparePayments } from './bad-payment-routes.js';
import { CATALOG_ROUTES, prepare, type Route } from './bad-routes.js';
import { prepareSubscriptions, SUBSCRIPTION_ROUTES } from './bad-subscription-routes.js';
import { balanceOf, expectProblem, grant, newAccount, ok, transactionsOf, worldOfTests } from './world.js';

/** Whatever a client can send gets its problem, names the field, writes nothing, and is never a 5xx. */

const world = worldOfTests();
const { api } = world;
beforeAll(async () => {
  await prepare(api);
  await prepareSubscriptions(api);
  await preparePayments(api, world.jobs);
});

const head = async (): Promise<number> => ok(await api.get('/health/ready'), 200).log.position;
/** Events behind a position, without what the worker writes meanwhile about the subscriptions that are there. */
const writtenByCallers = async (after: number): Promise<readonly unknown[]> =>
  ok(await api.get(`/v1/audit/log?from=${after}&limit=1000`), 200).data.filter(
    ({ position, metadata }: { position: number; metadata: { actor: string } }) =>
      position > after && metadata.actor !== 'schedule',
  );

/** What becomes of a body when the value at a pointer is another one, or (undefined) is taken out. */
function changed(body: object, pointer: string, value: unknown): any {
  const copy = structuredClone(body) as any;
  const steps = pointer.split('/').slice(1);
  const last = steps.pop()!;
  let place = copy;
  for (const step of steps) place = place[step] ??= {};
  if (value === undefined) delete place[last];
  else place[last] = value;
  return copy;
}

interface Case {
  readonly name: string;
  readonly make: (body: object) => Payload;
  /** Where the issue must be, or the code of a problem that needs no pointer. */
  readonly pointer?: string;
  readonly code?: string;
}

function casesOf({ fields }: Route): Case[] {
  const cases: Case[] = [];
  const short = (value: unknown) => String(JSON.stringify(value)).slice(0, 40);
  for (const [pointer, { bad, required, missing }] of Object.entries(fields)) {
    for (const value of bad)
      cases.push({
        name: `${pointer} ${short(value)}`,
        pointer,
        make: (body) => changed(body, pointer, value),
      });
    for (const value of missing?.values ?? [])
      cases.push({
        name: `${pointer} ${value}`,
        code: missing!.code,
        make: (body) => changed(body, pointer, value),
      });
    if (required)
      cases.push({ name: `${pointer} missing`, pointer, make: (body) => changed(body, pointer, undefined) });
  }
  for (const name of ['surprise', 'constructor', 'prototype', 'a/b~c', 'ID', ' id'])
    cases.push({
      name: `unknown ${name}`,
      pointer: `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`,
      make: (body) => ({ ...body, [name]: 1 }),
    });
  cases.push({
    name: 'unknown __proto__',
    pointer: '/__proto__',
    make: (body) =>
      JSON.stringify(body).replace(/\}$/, `${Object.keys(body).length > 0 ? ',' : ''}"__proto__":{"x":1}}`),
  });
  for (const whole of [[], ['x'], 'x', 5, null, true, [{}]] as const)
    cases.push({ name: `a body of ${short(whole)}`, make: () => JSON.stringify(whole) });
  return cases;
}

/** Why an answer is not what bad input must get; nothing when it is. */
function fault({ name, pointer, code }: Case, { status, headers, body, text }: Answer): string | undefined {
  const told = `${name}: ${status} ${text.slice(0, 300)}`;
  if (status < 400 || status >= 500) return told;
  if (!headers.get('content-type')?.startsWith('application/problem+json')) return `${told} (content type)`;
  if (body.status !== status || !/^[a-z_]+$/.test(body.code) || body.code === 'internal')
    return `${told} (code)`;
  if (code !== undefined && body.code !== code) return `${told} (not ${code})`;
  if (pointer === undefined) return undefined;
  const pointers: string[] = (body.errors ?? []).map((issue: { pointer: string }) => issue.pointer);
  return pointers.some((found) => found === pointer || found.startsWith(`${pointer}/`))
    ? undefined
    : `${told} (pointer)`;
}

async function inChunks<T, R>(
  items: readonly T[],
  size: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < items.length; from += size)
    results.push(...(await Promise.all(items.slice(from, from + size).map(work))));
  return results;
}

describe('every field of every body', () => {
  const counted = Object.entries({
    ...CATALOG_ROUTES,
    ...PLAN_ROUTES,
    ...CREDIT_ROUTES,
    ...SUBSCRIPTION_ROUTES,
    ...PAYMENT_ROUTES,
  }).map(([name, route]) => ({
    name,
    route,
    cases: casesOf(route),
  }));

  test.each(counted.map(({ name, route, cases }) => [name, cases.length, route, cases] as const))(
    '%s: %i bad bodies',
    async (_, count, route, cases) => {
      const { method = 'POST', path, jobs, body, status } = route;
      const client = jobs ? world.jobs : api;
      const url = typeof path === 'string' ? path : path();
      const before = await head();
      const answers = await inChunks(cases, 16, async (one) =>
        fault(one, await client.send(method, url, one.make(body()))),
      );
      expect(answers.filter((found) => found !== undefined)).toEqual([]);
      expect(answers).toHaveLength(count);
      expect(await writtenByCallers(before)).toEqual([]);
      // the rest of the body was fine, so each refusal was the one field's
      ok(await client.send(method, url, body()), status);
    },
  );

  test('are more than 3000 in all', () => {
    expect(counted.reduce((total, { cases }) => total + cases.length, 0)).toBeGreaterThan(3000);
  });
});

test('every issue of a body is listed at once', async () => {
  const bad = {
    customerId: 5,
    unit: '',
    amount: '1e3',
    startDate: 'soon',
    metadata: { a: 1 },
    surprise: true,
  };
  expectProblem(await api.post('/v1/credits/grants', bad), 422, 'validation_failed', [
    '/amount',
    '/customerId',
    '/metadata',
    '/startDate',
    '/surprise',
    '/unit',
  ]);
});

describe('what the catalogue does not hold together', () => {
  const cases: [name: string, path: string, body: object, pointers: string[]][] = [
    [
      'monetary without currency',
      'definitions',
      { applicationType: 'monetary', billingVisible: true },
      ['/currency'],
    ],
    [
      'monetary not billing visible',
      'definitions',
      { applicationType: 'monetary', currency: 'USD' },
      ['/billingVisible'],
    ],
    [
      'usage without a link',
      'definitions',
      { applicationType: 'usage' },
      ['/featureSlug', '/priceComponentId'],
    ],
    [
      'scope plan without a plan',
      'definitions',
      { applicationType: 'usage', scope: 'plan', featureSlug: 'x' },
      ['/planId', '/featureSlug'],
    ],
    [
      'a fractional number',
      'definitions',
      { applicationType: 'monetary', currency: 'USD', billingVisible: true, defaultAmount: 1.5 },
      ['/defaultAmount'],
    ],
  ];
  test.each(cases)('%s', async (_, path, members, pointers) => {
    const before = await head();
    const body = { name: 'D', scope: 'merchant', defaultAmount: 1, ...members };
    expectProblem(await api.post(`/v1/credits/${path}`, body), 422, 'validation_failed', pointers);
    expect(await head()).toBe(before);
  });

  test('a TZID in a rule is named as such', async () => {
    const body = {
      name: 'D',
      scope: 'merchant',
      applicationType: 'monetary',
      currency: 'USD',
      billingVisible: true,
    };
    const refillRrule = 'FREQ=MONTHLY;TZID=Europe/Berlin';
    const answer = await api.post('/v1/credits/definitions', { ...body, defaultAmount: 1, refillRrule });
    expectProblem(answer, 422, 'validation_failed', ['/refillRrule']);
    expect(answer.body.errors[0].code).toBe('rrule_tzid');
  });

  test("another tenant's ids look exactly like missing ones", async () => {
    const keys = makeKeys('live');
    const other = await startServer({ ...world.env, ...bootstrapOf(keys) });
    try {
      const foreign = await newAccount(other.client(keys.secret));
      const { id } = await grant(other.client(keys.secret), { ...foreign, amount: 1 });
      const like = async (send: (id: string) => Promise<Answer>, own: string) => {
        const [theirs, nobodys] = [await send(own), await send('missing')];
        const told = ({ status, body }: Answer, name: string) =>
          JSON.stringify([status, { ...body, instance: '' }]).replaceAll(name, 'ID');
        expect(told(theirs, own)).toBe(told(nobodys, 'missing'));
        expect(theirs.status).toBeGreaterThanOrEqual(400);
        expect(theirs.status).toBeLessThan(500);
      };
      const { customerId, unit } = await newAccount(api);
      await like((name) => api.get(`/v1/credits/grants/${name}`), id);
      await like((name) => api.post(`/v1/credits/grants/${name}/revoke`, {}), id);
      await like((name) => api.get(`/v1/credits/customers/${name}/balances`), foreign.customerId);
      await like(
        (name) => api.post('/v1/credits/grants', { customerId: name, unit, amount: 1 }),
        foreign.customerId,
      );
      await like(
        (name) => api.post('/v1/credits/grants', { customerId, unit: name, amount: 1 }),
        foreign.unit,
      );
      await like(
        (name) => api.post('/v1/credits/consume', { customerId, unit: name, amount: 1 }),
        foreign.unit,
      );
    } finally {
      await other.stop();
    }
  });
});

describe('amounts', () => {
  test('24 digits before the point and as many decimals as the unit keeps are exact; one more is 422', async () => {
    const account = await newAccount(api, 12);
    const largest = `${'9'.repeat(24)}.${'9'.repeat(12)}`;
    await grant(api, { ...account, amount: largest });
    expect((await balanceOf(api, account.customerId, account.unit)).available).toBe(largest);
    ok(await api.post('/v1/credits/consume', { ...account, amount: '0.000000000001' }), 201);
    expect((await balanceOf(api, account.customerId, account.unit)).available).toBe(
      `${'9'.repeat(24)}.${'9'.repeat(11)}8`,
    );
    const body = { ...account, amount: '0.0000000000001' };
    expectProblem(await api.post('/v1/credits/consume', body), 422, 'validation_failed', ['/amount']);
    const beyond = await api.post('/v1/credits/grants', { ...account, amount: '1' });
    expectProblem(beyond, 422, 'validation_failed');
    expect(await transactionsOf(api, account.customerId)).toHaveLength(2);
  });

  test('a unit of scale 0 keeps no decimals', async () => {
    const account = await newAccount(api, 0);
    expect((await grant(api, { ...account, amount: '5' })).initialAmount).toBe('5');
    for (const amount of ['0.5', '5.0001'])
      expectProblem(await api.post('/v1/credits/grants', { ...account, amount }), 422, 'validation_failed', [
        '/amount',
      ]);
  });
});
