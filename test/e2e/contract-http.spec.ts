import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { until } from '../support/wait.js';
import type { Client } from '../support/client.js';
import { consume, expectProblem, grant, newAccount, ok, worldOfTests } from './world.js';

/** What surrounds the credits: who may call, keys, the audit of the log, health and documentation. */

const world = worldOfTests();
const { api } = world;

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

  test('nothing is kept by caches, answers and refusals alike', async () => {
    const nobody = world.server.client();
    const answers = await Promise.all([
      ...[...READS, '/v1/nothing', '/v1/customers?surprise=1'].map((path) => api.get(path)),
      ...[...WRITES, '/v1/public/webhook/default'].map((path) => api.post(path, '{')),
      ...READS.map((path) => nobody.get(path)),
      ...[api.delete('/v1/customers'), api.post('/v1/customers', { name: 'Ada' })],
    ]);
    expect(new Set(answers.map(({ headers }) => headers.get('cache-control')))).toEqual(
      new Set(['no-store']),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 201, 400, 401, 404, 405]));
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

  test('that are publishable are listed with their value, and repeated with it', async () => {
    const create = (keyType: string) =>
      api.post('/v1/api-keys', { name: 'page', keyType }, { 'Idempotency-Key': keyType });
    const { key, id } = ok(await create('publishable'), 201);
    expect(key).toMatch(/^pk_test_/);
    expect(ok(await create('publishable'), 201)).toMatchObject({ id, key });
    const secret = ok(await create('secret'), 201);
    expect(ok(await create('secret'), 201)).toEqual({ ...secret, key: null });
    const listed = await until(
      async () => {
        const keys = new Map((await api.all('/v1/api-keys')).map((one) => [one['id'], one['key']]));
        return keys.has(secret.id) ? keys : undefined;
      },
      { what: 'both keys in the list' },
    );
    expect([listed.get(id), listed.get(secret.id)]).toEqual([key, null]);
    expect(ok(await api.delete(`/v1/api-keys/${id}`), 200)).toMatchObject({ key });
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
    const account = await newAccount(api);
    for (let n = 0; n < 30; n += 1) await grant(api, { ...account, amount: 1 });
    const seen: any[] = [];
    for (let from: number | null = 0; from !== null;) {
      const page: any = ok(await api.get(`/v1/audit/log?from=${from}&limit=7`));
      seen.push(...page.data);
      from = page.nextFrom;
    }
    const positions = seen.map(({ position }) => position as number);
    expect(positions).toEqual([...new Set(positions)].sort((a, b) => a - b));
    expect(new Set(seen.map(({ metadata }) => metadata.tenant))).toEqual(new Set(['default.test']));
    expect(seen.length).toBeGreaterThan(30);
    const granted = seen.filter(
      ({ stream }) => stream === `creditAccount-default.test_${account.customerId}`,
    );
    expect(granted.map(({ revision }) => revision)).toEqual(Array.from({ length: 30 }, (_, n) => n));
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
