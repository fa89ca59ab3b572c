import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { bootstrapOf, makeKeys, startServer } from '../support/server.js';
import type { Answer, Client, Payload } from '../support/client.js';
import { BROKEN_BODIES } from './bad-values.js';
import { prepare, ROUTES, type Route } from './bad-routes.js';
import {
  balanceOf,
  expectProblem,
  fresh,
  grant,
  newAccount,
  newCustomer,
  newMeter,
  ok,
  openWorld,
  transactionsOf,
  type World,
} from './world.js';

/** Whatever a client can send gets its problem, names the field, writes nothing, and is never a 5xx. */

let world: World;
let api: Client;
beforeAll(async () => {
  world = await openWorld();
  api = world.api;
  await prepare(api);
});
afterAll(() => world.close());

const head = async (): Promise<number> => ok(await api.get('/health/ready'), 200).log.position;

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
  const counted = Object.entries(ROUTES).map(([name, route]) => ({ name, route, cases: casesOf(route) }));

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
      expect(await head()).toBe(before);
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
    ['usage without a link', 'definitions', { applicationType: 'usage' }, ['/featureSlug']],
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

  test('a unit of scale 0 keeps no decimals, and zeros at the end are none', async () => {
    const account = await newAccount(api, 0);
    expect((await grant(api, { ...account, amount: '5.000' })).initialAmount).toBe('5');
    for (const amount of ['0.5', '5.0001'])
      expectProblem(await api.post('/v1/credits/grants', { ...account, amount }), 422, 'validation_failed', [
        '/amount',
      ]);
  });
});

describe('a body as a whole', () => {
  test.each(BROKEN_BODIES.map(([body, name]) => [name, body] as const))('%s is 400', async (_, body) => {
    const before = await head();
    for (const path of ['/v1/credits/grants', '/v1/events', '/v1/events/batch', '/v1/customers'])
      expectProblem(await api.post(path, body), 400, 'malformed_json');
    expect(await head()).toBe(before);
  });

  test('another content type is 415', async () => {
    for (const type of [
      'text/plain',
      'application/xml',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
      'x',
    ])
      for (const path of ['/v1/credits/grants', '/v1/events'])
        expectProblem(await api.post(path, '{}', { 'Content-Type': type }), 415, 'unsupported_media_type');
    const utf8 = { 'Content-Type': 'application/json; charset=utf-8' };
    ok(await api.post('/v1/plans', { planName: 'P' }, utf8), 201);
  });

  test('over 1 MiB is 413', async () => {
    const body = JSON.stringify({ name: 'x'.repeat(1024 * 1024) });
    for (const path of ['/v1/customers', '/v1/events/batch'])
      expectProblem(await api.post(path, body), 413, 'body_too_large');
  });

  test('nested without end is refused', async () => {
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const)
      for (const path of ['/v1/customers', '/v1/events']) {
        const answer = await api.post(path, `{"metadata":${open.repeat(50_000)}1${close.repeat(50_000)}}`);
        expect([400, 422]).toContain(answer.status);
        expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      }
  });
});

describe('a batch', () => {
  test('of 1000 is taken, of 1001 and of none refused whole', async () => {
    const meter = await newMeter(api);
    const customerId = await newCustomer(api);
    const events = (count: number) =>
      Array.from({ length: count }, () => ({ eventName: meter.eventName, customerId, eventValue: 1 }));
    const before = await head();
    for (const count of [0, 1001])
      expectProblem(await api.post('/v1/events/batch', { events: events(count) }), 422, 'validation_failed', [
        '/events',
      ]);
    expect(await head()).toBe(before);
    expect(ok(await api.post('/v1/events/batch', { events: events(1000) }), 202).accepted).toBe(1000);
    expect(await api.all(`/v1/events?customerId=${customerId}`)).toHaveLength(1000);
  });

  test('rejects only the bad ones among good ones, and says why at their index', async () => {
    const meter = await newMeter(api);
    const customerId = await newCustomer(api);
    await grant(api, { customerId, unit: meter.unit, amount: 100 });
    const good = { eventName: meter.eventName, customerId, eventValue: 1 };
    const first = { ...good, idempotencyKey: fresh('key') };
    const events = [
      first,
      { ...good, eventValue: '1e3' },
      { ...good, customerId: 'nobody' },
      { ...good, eventName: 'nothing' },
      'rubbish',
      { ...first, eventValue: 2 },
      { ...good, surprise: 1 },
      null,
      { ...good, eventTimestamp: '2001-01-01T00:00:00Z' },
      good,
      first,
    ];
    const answer = ok(await api.post('/v1/events/batch', { events }), 202);
    expect([answer.accepted, answer.rejected]).toEqual([3, 8]);
    expect(answer.errors.map(({ index, error }: any) => [index, error.code])).toEqual([
      [1, 'validation_failed'],
      [2, 'customer_not_found'],
      [3, 'unknown_event_name'],
      [4, 'validation_failed'],
      [5, 'idempotency_key_reused'],
      [6, 'validation_failed'],
      [7, 'validation_failed'],
      [8, 'usage_too_old'],
    ]);
    expect(answer.errors[4].error.errors).toMatchObject([{ pointer: '/eventValue' }]);
    expect(answer.results.map((result: any) => result && result.deduplicated)).toEqual([
      ...[false, null, null, null, null, null, null, null, null],
      ...[false, true],
    ]);
    expect(await balanceOf(api, customerId, meter.unit)).toMatchObject({ available: '98' });
  });
});

describe('queries and paths', () => {
  const page = [
    'limit=0',
    'limit=1001',
    'limit=x',
    'limit=-1',
    'limit=1e2',
    'cursor=%00',
    'cursor=x',
    `cursor=${'x'.repeat(3000)}`,
  ];
  const position = ['minPosition=-1', 'minPosition=x', 'minPosition=1.5', `minPosition=${'9'.repeat(30)}`];
  const dates = ['fromDate=soon', 'toDate=2026-02-30T00:00:00Z', 'fromDate=', 'toDate=5'];
  const QUERIES: Readonly<Record<string, readonly string[]>> = {
    '/v1/customers': [...page, ...position],
    '/v1/meters': [...page, ...position],
    '/v1/units': [...page, ...position, 'kind=nonsense'],
    '/v1/units/USD': position,
    '/v1/features': [...page, ...position],
    '/v1/plans': [...page, ...position],
    '/v1/prices': [...page, ...position],
    '/v1/api-keys': [...page, ...position],
    '/v1/events': [...page, ...position, 'from=soon', 'to=soon', 'customerId=%00', 'eventName='],
    '/v1/credits/definitions': [...page, ...position, 'scope=nonsense', 'applicationType=USAGE'],
    '/v1/audit/log': ['from=-1', 'from=x', 'limit=0', 'limit=1001', `from=${'9'.repeat(40)}`],
    '/v1/credits/customers/ID/grants': [
      ...page,
      ...position,
      'status=active',
      'applicationType=x',
      'isExtCustId=yes',
    ],
    '/v1/credits/customers/ID/transactions': [
      ...page,
      ...position,
      ...dates,
      'type=nonsense',
      'grantId=%00',
      'unit=',
    ],
    '/v1/credits/customers/ID/balances': [...position, 'isExtCustId=1', 'unit=', 'unit=%00'],
  };
  test.each(Object.entries(QUERIES))('GET %s', async (path, queries) => {
    const customerId = await newCustomer(api);
    for (const query of [...queries, 'surprise=1', '__proto__=1', 'constructor=1']) {
      const answer = await api.get(`${path.replace('ID', customerId)}?${query}`);
      expect([query, answer.status]).toEqual([query, 400]);
      const name = query.slice(0, query.indexOf('='));
      expect([query, answer.body.errors?.map(({ pointer }: any) => pointer)]).toEqual([query, [`?${name}`]]);
    }
  });

  test('strange paths are 4xx', async () => {
    const ids = [
      '%00',
      '%zz',
      '%ff',
      '..%2f..',
      `${'x'.repeat(129)}`,
      `${'x'.repeat(5000)}`,
      '%F0%9F%98%80',
      "'%20or%201=1",
      '__proto__',
    ];
    const templates = [
      '/v1/customers/ID',
      '/v1/units/ID',
      '/v1/plans/ID',
      '/v1/credits/grants/ID',
      '/v1/credits/consumptions/ID',
      '/v1/credits/customers/ID/balances',
      '/v1/credits/customers/ID/transactions?isExtCustId=true',
      '/v1/audit/streams/ID',
      '/v1/audit/streams/creditAccount-default.test_ID/verification',
    ];
    for (const template of templates)
      for (const id of ids) {
        const answer = await api.get(template.replace('ID', id));
        expect([template, id.slice(0, 20), answer.status >= 400 && answer.status < 500]).toEqual([
          template,
          id.slice(0, 20),
          true,
        ]);
        expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      }
  });
});
