import { describe, expect, test } from '@jest/globals';
import { BROKEN_BODIES } from './bad-values.js';
import { balanceOf, expectProblem, fresh, grant, newCustomer, newMeter, ok, worldOfTests } from './world.js';

/** Bad bodies, batches, queries and paths as a whole: each gets its problem and writes nothing. */

const world = worldOfTests();
const { api } = world;

const head = async (): Promise<number> => ok(await api.get('/health/ready'), 200).log.position;

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
