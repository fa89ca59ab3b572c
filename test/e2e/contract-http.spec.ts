import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { until } from '../support/wait.js';
import type { Answer, Client } from '../support/client.js';
import {
  consume,
  expectProblem,
  fresh,
  grant,
  iso,
  newAccount,
  newCustomer,
  newMeter,
  ok,
  openWorld,
  transactionsOf,
  type World,
} from './world.js';

/** What surrounds the credits: positions, pages, keys, the audit of the log, health and documentation. */

let world: World;
let api: Client;
beforeAll(async () => {
  world = await openWorld();
  api = world.api;
});
afterAll(() => world.close());

const positionOf = ({ headers }: Answer): number => Number(headers.get('log-position') ?? 'none');

/** Every route of this version and a path on it; what a secret key may call, then what a trigger key may. */
const READS = [
  '/v1/customers',
  '/v1/customers/none',
  '/v1/units',
  '/v1/units/USD',
  '/v1/meters',
  '/v1/meters/none',
  '/v1/features',
  '/v1/features/none',
  '/v1/plans',
  '/v1/plans/none',
  '/v1/prices',
  '/v1/prices/none',
  '/v1/credits/definitions',
  '/v1/credits/definitions/none',
  '/v1/credits/grants/none',
  '/v1/credits/consumptions/none',
  '/v1/credits/customers/none/grants',
  '/v1/credits/customers/none/transactions',
  '/v1/credits/customers/none/balances',
  '/v1/events',
  '/v1/api-keys',
  '/v1/audit/log',
  '/v1/audit/streams/creditAccount-default.test_none',
  '/v1/audit/streams/creditAccount-default.test_none/verification',
];
const WRITES = [
  '/v1/customers',
  '/v1/units',
  '/v1/meters',
  '/v1/meters/none/update',
  '/v1/meters/none/archive',
  '/v1/features',
  '/v1/plans',
  '/v1/prices',
  '/v1/credits/definitions',
  '/v1/credits/definitions/none/update',
  '/v1/credits/grants',
  '/v1/credits/grants/none/revoke',
  '/v1/credits/consume',
  '/v1/credits/preview',
  '/v1/events',
  '/v1/events/batch',
  '/v1/api-keys',
];
const JOBS = ['/v1/trigger/credits/process-expirations', '/v1/trigger/credits/process-grant-renewals'];

describe('who may call what', () => {
  const requests: [method: string, path: string][] = [
    ...READS.map((path): [string, string] => ['GET', path]),
    ...[...WRITES, ...JOBS].map((path): [string, string] => ['POST', path]),
    ['PATCH', '/v1/customers/none'],
    ['DELETE', '/v1/api-keys/none'],
  ];
  const statuses = async (client: Client) => {
    const found = await Promise.all(
      requests.map(([method, path]) => client.send(method, path, method === 'GET' ? undefined : {})),
    );
    return found.map(({ status, body }, index) => `${requests[index]!.join(' ')} ${status} ${body?.code}`);
  };
  const all = (outcome: string) => requests.map((request) => `${request.join(' ')} ${outcome}`);

  test('without a key, with an unknown one and with rubbish: 401', async () => {
    const { server } = world;
    expect(await statuses(server.client())).toEqual(all('401 unauthorized'));
    expect(await statuses(server.client(`sk_test_${'x'.repeat(32)}`))).toEqual(all('401 unauthorized'));
    expect(await statuses(server.client('rubbish'))).toEqual(all('401 unauthorized'));
    const answer = await server.client().get('/v1/customers');
    expectProblem(answer, 401, 'unauthorized');
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
  });

  test('a publishable key reads none of these: 403', async () => {
    expect(await statuses(world.server.client(world.keys.publishable))).toEqual(all('403 forbidden'));
  });

  test('the trigger key is for triggers, the secret key for everything else', async () => {
    const byTrigger = await statuses(world.jobs);
    const bySecret = await statuses(api);
    requests.forEach(([, path], index) => {
      const isJob = JOBS.includes(path);
      expect(byTrigger[index]!.includes('403 forbidden')).toBe(!isJob);
      expect(bySecret[index]!.includes('403 forbidden')).toBe(isJob);
    });
  });

  test('a missing object is 404 with its code', async () => {
    const codes = await Promise.all(
      READS.filter((path) => path.includes('none')).map((path) => api.get(path)),
    );
    expect(new Set(codes.map(({ status }) => status))).toEqual(new Set([404]));
    expectProblem(await api.get('/v1/credits/customers/none/balances'), 404, 'customer_not_found');
    expectProblem(await api.get('/v1/credits/grants/none'), 404, 'grant_not_found');
    expectProblem(await api.get('/v1/plans/none'), 404, 'not_found');
    expectProblem(await api.get('/v1/nothing'), 404, 'route_not_found');
    expectProblem(await api.get('/'), 404, 'route_not_found');
  });

  test('another method is 405, with those that there are', async () => {
    for (const [method, path, allowed] of [
      ['DELETE', '/v1/customers', ['GET', 'POST']],
      ['PUT', '/v1/credits/grants', ['POST']],
      ['POST', '/v1/credits/customers/none/balances', ['GET']],
    ] as const) {
      const answer = await api.send(method, path, method === 'DELETE' ? undefined : {});
      expectProblem(answer, 405, 'method_not_allowed');
      for (const name of allowed) expect(answer.headers.get('allow')).toContain(name);
    }
  });

  test('an unknown query parameter is 400 and named, on reads and on writes', async () => {
    const jobs = JOBS.map((path) => world.jobs.post(`${path}?surprise=1`, {}));
    const reads = READS.filter((path) => !path.includes('none')).map((path) => api.get(`${path}?surprise=1`));
    const writes = WRITES.map((path) => api.post(`${path}?surprise=1`, {}));
    for (const answer of await Promise.all([...reads, ...jobs])) {
      expectProblem(answer, 400, 'unknown_query_parameter');
      expect(answer.text).toContain('surprise');
    }
    for (const answer of await Promise.all(writes)) expect([400, 404, 422]).toContain(answer.status);
    const write = await api.post('/v1/customers?surprise=1', { name: 'Ada' });
    expectProblem(write, 400, 'unknown_query_parameter');
  });
});

describe('lists', () => {
  test('lead by cursors to the end, in one order, each row once', async () => {
    const { customerId, unit } = await newAccount(api);
    const meter = await newMeter(api);
    for (let n = 0; n < 12; n += 1) {
      await grant(api, { customerId, unit, amount: 1 });
      ok(await api.post('/v1/events', { eventName: meter.eventName, customerId, eventValue: 1 }), 202);
      const position = positionOf(await api.post('/v1/plans', { planName: `Plan ${n}` }));
      if (n === 11) ok(await api.get(`/v1/plans?minPosition=${position}`), 200);
    }
    const lists = [
      `/v1/credits/customers/${customerId}/grants`,
      `/v1/credits/customers/${customerId}/transactions`,
      `/v1/events?customerId=${customerId}`,
      '/v1/plans',
      '/v1/units?kind=monetary',
    ];
    for (const path of lists) {
      const whole = await api.all(path);
      const paged = await api.all(path, 5);
      expect(whole.length).toBeGreaterThanOrEqual(12);
      expect([path, paged]).toEqual([path, whole]);
      expect(new Set(whole.map(({ id }) => id)).size).toBe(whole.length);
      const first = ok(await api.get(path));
      expect([path, first.data.length, first.nextCursor === null]).toEqual([
        path,
        Math.min(100, whole.length),
        whole.length <= 100,
      ]);
    }
  });

  test('a limit or cursor that is none is 400', async () => {
    for (const query of [
      'limit=0',
      'limit=1001',
      'limit=-1',
      'limit=1.5',
      'limit=x',
      'limit=',
      'cursor=rubbish',
      'cursor=',
    ])
      expect([query, (await api.get(`/v1/customers?${query}`)).status]).toEqual([query, 400]);
    expect((await api.get('/v1/customers?limit=1000')).status).toBe(200);
    expect((await api.get('/v1/customers?limit=1&limit=2')).status).toBe(400);
  });

  test('filters: dates are half open, statuses and kinds name what there is', async () => {
    const { customerId, unit } = await newAccount(api);
    await grant(api, { customerId, unit, amount: 1 });
    const [row] = await transactionsOf(api, customerId);
    const next = iso(Date.parse(row.eventTimestamp) + 1);
    const found = async (query: string) => (await transactionsOf(api, customerId, query)).length;
    expect(await found(`?fromDate=${row.eventTimestamp}&toDate=${next}`)).toBe(1);
    expect(await found(`?toDate=${row.eventTimestamp}`)).toBe(0);
    expect(await found(`?fromDate=${next}`)).toBe(0);
    const grants = (query: string) => api.get(`/v1/credits/customers/${customerId}/grants?${query}`);
    expect(ok(await grants('status=ACTIVE&applicationType=usage')).data).toHaveLength(1);
    expect(ok(await grants('applicationType=monetary')).data).toEqual([]);
    expect((await grants('status=active')).status).toBe(400);
  });

  test("a customer's own name for it works wherever a customer is addressed", async () => {
    const externalCustomerId = 'user@example.com/1';
    const customerId = await newCustomer(api, { externalCustomerId });
    const { unit } = await newAccount(api);
    const name = encodeURIComponent(externalCustomerId);
    const body = { customerId: externalCustomerId, unit, amount: 2 };
    expect(ok(await api.post('/v1/credits/grants?isExtCustId=true', body), 201).customerId).toBe(customerId);
    expect(ok(await api.post('/v1/credits/consume?isExtCustId=true', body), 201).customerId).toBe(customerId);
    for (const what of ['grants', 'transactions', 'balances'])
      ok(await api.get(`/v1/credits/customers/${name}/${what}?isExtCustId=true`), 200);
    expect(ok(await api.get(`/v1/customers/${name}?isExtCustId=true`)).id).toBe(customerId);
    const changed = ok(
      await api.patch(`/v1/customers/${name}?isExtCustId=true`, { businessName: 'Acme' }),
      200,
    );
    expect(changed).toMatchObject({ id: customerId, businessName: 'Acme' });
    expectProblem(await api.post('/v1/credits/grants', body), 404, 'customer_not_found');
  });
});

describe('positions', () => {
  test('a read with the position of a write shows it, by parameter and by header', async () => {
    for (let n = 0; n < 10; n += 1) {
      const id = fresh('cust');
      const position = positionOf(await api.post('/v1/customers', { id, name: 'Position' }));
      const [list, one] = await Promise.all([
        api.all(`/v1/customers?minPosition=${position}`),
        api.get(`/v1/customers/${id}`, { 'Min-Log-Position': String(position) }),
      ]);
      expect(list.map((customer) => customer.id)).toContain(id);
      expect([one.status, positionOf(one) >= position]).toEqual([200, true]);
    }
  });

  test('every read says what it reflects; beyond the end of the log it is 503 with Retry-After', async () => {
    const account = await newAccount(api);
    const { id: grantId } = await grant(api, { ...account, amount: 5 });
    const meter = await newMeter(api);
    const { id: consumptionId } = await consume(api, { ...account, amount: 1 });
    const last = await consume(api, { ...account, amount: 1 });
    const paths = [
      ...['customers', 'units', 'meters', 'features', 'plans', 'prices', 'events'].map(
        (name) => `/v1/${name}`,
      ),
      ...['/v1/units?kind=monetary', '/v1/units/USD', `/v1/units/${account.unit}`, `/v1/meters/${meter.id}`],
      ...['/v1/credits/definitions', `/v1/credits/grants/${grantId}`, '/v1/api-keys'],
      `/v1/credits/consumptions/${consumptionId}`,
      `/v1/credits/consumptions/${last.id}`,
      ...['grants', 'transactions', 'balances'].map(
        (what) => `/v1/credits/customers/${account.customerId}/${what}`,
      ),
    ];
    const far = 10 ** 12;
    await Promise.all(
      paths.map(async (path) => {
        const answer = await api.get(path);
        expect([path, answer.status, positionOf(answer)]).toEqual([path, 200, expect.any(Number)]);
        expect([path, positionOf(answer) > 0]).toEqual([path, true]);
        const behind = await api.get(path, { 'Min-Log-Position': String(far) });
        expect([path, behind.status, behind.body.code]).toEqual([path, 503, 'read_model_behind']);
        expect(Number(behind.headers.get('retry-after'))).toBeGreaterThan(0);
      }),
    );
    const query = await api.get(`/v1/customers?minPosition=${far}`);
    expectProblem(query, 503, 'read_model_behind');
  });

  test('a bad position is 400', async () => {
    for (const bad of ['-1', '1.5', 'x', '', '1e3'])
      expect([bad, (await api.get(`/v1/customers?minPosition=${bad}`)).status]).toEqual([bad, 400]);
    expect((await api.get('/v1/customers', { 'Min-Log-Position': 'x' })).status).toBe(400);
  });

  test('the jobs answer one too', async () => {
    for (const job of ['process-expirations', 'process-grant-renewals']) {
      const answer = await world.jobs.post(`/v1/trigger/credits/${job}`, {
        timestamp: iso(Date.now() - 1000),
      });
      expect([job, answer.status, positionOf(answer)]).toEqual([job, 200, expect.any(Number)]);
      expect([job, positionOf(answer) > 0]).toEqual([job, true]);
    }
  });
});

describe('API keys', () => {
  test('are shown once, work at once, are listed by prefix, and end within a second', async () => {
    const created = ok(await api.post('/v1/api-keys', { name: 'billing', keyType: 'secret' }), 201);
    expect(created.key).toMatch(/^sk_test_[A-Za-z0-9_-]{40,}$/);
    const own = world.server.client(created.key);
    ok(await own.get('/v1/customers'), 200);
    const listed = await until(
      async () => (await api.all('/v1/api-keys')).find(({ id }) => id === created.id),
      {
        what: 'the key in the list',
      },
    );
    expect(created.key.startsWith(listed.prefix)).toBe(true);
    expect(JSON.stringify(listed)).not.toContain(created.key);
    expect(ok(await api.delete(`/v1/api-keys/${created.id}`), 200).revokedAt).not.toBeNull();
    const revokedAt = performance.now();
    await until(async () => (await own.get('/v1/customers')).status === 401, { timeoutMs: 1500 });
    expect(performance.now() - revokedAt).toBeLessThan(1500);
    expectProblem(await own.get('/v1/customers'), 401, 'unauthorized');
    expectProblem(await api.delete('/v1/api-keys/key_none'), 404, 'not_found');
  });
});

describe('the audit', () => {
  const sha256 = (text: string) => createHash('sha256').update(text, 'utf8').digest('hex');
  /** RFC 8785, as far as facts need it. */
  const canonical = (value: any): string => {
    if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
    if (value === null || typeof value !== 'object') return JSON.stringify(value);
    const members = Object.keys(value).sort();
    return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(',')}}`;
  };

  test('the hash chain can be recomputed from the documented bytes', async () => {
    const account = await newAccount(api);
    for (let n = 1; n <= 3; n += 1)
      await grant(api, {
        ...account,
        amount: n,
        notes: `Übertrag "${n}" – 100 €`,
        metadata: { b: '1', a: '2' },
      });
    await consume(api, { ...account, amount: 2 });
    const stream = `creditAccount-default.test_${account.customerId}`;
    const { data, nextFrom } = ok(await api.get(`/v1/audit/streams/${stream}`));
    expect([data.length, nextFrom]).toEqual([4, null]);
    let previous = sha256(stream);
    data.forEach((event: any, index: number) => {
      const { previousHash, hash, ...metadata } = event.metadata;
      expect([event.revision, previousHash]).toEqual([index, previous]);
      previous = sha256(previousHash + canonical({ data: event.data, metadata, type: event.type }));
      expect(hash).toBe(previous);
      const uuid = Buffer.from(hash.slice(0, 32), 'hex');
      uuid[6] = (uuid[6]! & 0x0f) | 0x80;
      uuid[8] = (uuid[8]! & 0x3f) | 0x80;
      expect(event.id.replaceAll('-', '')).toBe(uuid.toString('hex'));
      expect(metadata).toMatchObject({ tenant: 'default.test', recordedAt: expect.any(String) });
    });
    expect(ok(await api.get(`/v1/audit/streams/${stream}/verification`))).toMatchObject({
      eventsChecked: 4,
      valid: true,
      head: { revision: 3, hash: previous },
      faults: [],
    });
    const part = ok(await api.get(`/v1/audit/streams/${stream}?from=1&limit=2`));
    expect(part.data).toEqual(data.slice(1, 3));
    expect(part.nextFrom).toBe(3);
  });

  test('the log leads through every event of the environment, in order, once', async () => {
    const seen: any[] = [];
    for (let from: number | null = 0; from !== null;) {
      const page: any = ok(await api.get(`/v1/audit/log?from=${from}&limit=50`));
      seen.push(...page.data);
      from = page.nextFrom;
    }
    const positions = seen.map(({ position }) => position as number);
    expect(positions).toEqual([...new Set(positions)].sort((a, b) => a - b));
    expect(new Set(seen.map(({ metadata }) => metadata.tenant))).toEqual(new Set(['default.test']));
    expect(seen.length).toBeGreaterThan(50);
  });
});

describe('without a key', () => {
  test('health says that it lives, and how far everything is', async () => {
    const open = world.server.client();
    expect((await open.get('/health/live')).status).toBe(200);
    const ready = ok(await open.get('/health/ready'), 200);
    expect(ready).toMatchObject({ status: 'ok', log: { position: expect.any(Number) } });
    expect(ready.readModels.length).toBeGreaterThan(0);
    expect(ready.readModels.every(({ stopped }: { stopped: unknown }) => stopped === null)).toBe(true);
    expect(ready.timeZoneData).toMatch(/^\d{4}[a-z]$/);
  });

  test('metrics are for Prometheus', async () => {
    const answer = await world.server.client().get('/metrics');
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      200,
      expect.stringMatching(/^text\/plain/),
    ]);
    expect(answer.text).toMatch(/^# TYPE \w+ (counter|gauge|histogram)$/m);
    expect(answer.text).toMatch(/^\w+(\{.*\})? [\d.e+-]+$/m);
  });

  test('the documentation names every route, and is the one that is committed', async () => {
    const open = world.server.client();
    const page = await open.get('/docs');
    expect([page.status, page.headers.get('content-type')]).toEqual([
      200,
      expect.stringMatching(/^text\/html/),
    ]);
    const served = ok(await open.get('/openapi.json'), 200);
    expect(served.openapi).toMatch(/^3\./);
    const named = Object.keys(served.paths);
    const pattern = (path: string) => path.replace(/\{[^}]+\}/g, '[^/]+');
    for (const path of [...READS, ...WRITES, ...JOBS])
      expect([path, named.some((name) => new RegExp(`^${pattern(name)}$`).test(path))]).toEqual([path, true]);
    const committed = new URL('../../docs/openapi.json', import.meta.url);
    expect(existsSync(committed)).toBe(true);
    expect(served).toEqual(JSON.parse(readFileSync(committed, 'utf8')));
  });
});
