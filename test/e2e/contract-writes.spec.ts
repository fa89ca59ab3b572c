import { beforeAll, describe, expect, test } from '@jest/globals';
import type { Answer, Client } from '../support/client.js';
import { bootstrapOf, makeKeys, startServer } from '../support/server.js';
import {
  balanceOf,
  consume,
  expectProblem,
  fresh,
  grant,
  newAccount,
  newCustomer,
  newMeter,
  ok,
  positionOf,
  transactionsOf,
  worldOfTests,
} from './world.js';

/** Idempotency, own ids, positions: what every write promises. */

const world = worldOfTests();
const { api } = world;

const replayed = ({ headers }: Answer): string | null => headers.get('idempotent-replayed');
const keyed = (key: string) => ({ 'Idempotency-Key': key });

interface Write {
  readonly path: string;
  readonly body: object;
  readonly method?: string;
  /** A member that the body may have another value of. */
  readonly other: object;
}

/** One request of every kind of write, each with what it needs already there. */
async function everyWrite(): Promise<Record<string, Write>> {
  const { customerId, unit } = await newAccount(api);
  await grant(api, { customerId, unit, amount: 1000 });
  const revocable = await grant(api, { customerId, unit, amount: 1 });
  const begun = await grant(api, { customerId, unit, amount: 1, renewal: { renewOnBilling: true } });
  const hold = async () => ok(await api.post('/v1/credits/holds', { customerId, unit, amount: 2 }), 201).id;
  const [toCapture, toRelease] = [await hold(), await hold()];
  const drawn = ok(await api.post('/v1/credits/consume', { customerId, unit, amount: 3 }), 201);
  const changeable = `/v1/credits/grants/${(await grant(api, { customerId, unit, amount: 9 })).id}`;
  const reason = { reason: 'a' };
  const other = { reason: 'b' };
  const meter = await newMeter(api);
  const archivable = await newMeter(api);
  const plan = ok(await api.post('/v1/plans', { planName: 'Pro' }), 201);
  const slug = fresh('feature');
  ok(await api.post('/v1/features', { slug, displayName: 'F', featureValue: 1 }), 201);
  const linked = { scope: 'merchant', applicationType: 'usage', featureSlug: slug, defaultAmount: 5 };
  const definition = ok(await api.post('/v1/credits/definitions', { ...linked, name: 'D' }), 201);
  const pricingData = { dsl_version: 1, components: [{ type: 'fixed', label: 'Base', amount_cents: '100' }] };
  const event = { eventName: meter.eventName, customerId, eventValue: 1 };
  return {
    customer: { path: '/v1/customers', body: { name: 'Ada' }, other: { name: 'Bob' } },
    'customer change': {
      method: 'PATCH',
      path: `/v1/customers/${customerId}`,
      body: { name: 'Ada Two' },
      other: { name: 'Ada Three' },
    },
    unit: { path: '/v1/units', body: { code: fresh('unit'), scale: 2 }, other: { scale: 3 } },
    meter: { path: '/v1/meters', body: { eventName: fresh('event') }, other: { name: 'x' } },
    'meter change': { path: `/v1/meters/${meter.id}/update`, body: { name: 'a' }, other: { name: 'b' } },
    'meter archive': { path: `/v1/meters/${archivable.id}/archive`, body: {}, other: {} },
    feature: {
      path: '/v1/features',
      body: { slug: fresh('feature'), displayName: 'F', featureValue: true },
      other: { displayName: 'G' },
    },
    plan: { path: '/v1/plans', body: { planName: 'A' }, other: { planName: 'B' } },
    price: {
      path: '/v1/prices',
      body: { planId: plan.id, currency: 'USD', pricingData },
      other: { currency: 'EUR' },
    },
    definition: {
      path: '/v1/credits/definitions',
      body: { ...linked, name: 'E' },
      other: { defaultAmount: 6 },
    },
    'definition change': {
      path: `/v1/credits/definitions/${definition.id}/update`,
      body: { defaultAmount: 7 },
      other: { defaultAmount: 8 },
    },
    grant: {
      path: '/v1/credits/grants',
      body: { customerId, unit, amount: '2.5' },
      other: { amount: '2.6' },
    },
    revoke: {
      path: `/v1/credits/grants/${revocable.id}/revoke`,
      body: { notes: 'a' },
      other: { notes: 'b' },
    },
    consume: { path: '/v1/credits/consume', body: { customerId, unit, amount: 3 }, other: { amount: 4 } },
    amend: { path: `${changeable}/amend`, body: { amount: 8 }, other: { amount: 7 } },
    adjust: { path: `${changeable}/adjust`, body: { amount: 1, ...reason }, other },
    update: { path: `${changeable}/update`, body: { name: 'a' }, other: { name: 'b' } },
    expire: { path: `${changeable}/expire`, body: { notes: 'a' }, other: { notes: 'b' } },
    hold: { path: '/v1/credits/holds', body: { customerId, unit, amount: 1 }, other: { amount: 2 } },
    capture: { path: `/v1/credits/holds/${toCapture}/capture`, body: {}, other: { amount: 1 } },
    release: { path: `/v1/credits/holds/${toRelease}/release`, body: {}, other: { reference: 'b' } },
    reverse: { path: `/v1/credits/consumptions/${drawn.id}/reverse`, body: { amount: 1, ...reason }, other },
    'renewal change': {
      path: `/v1/credits/renewals/${begun.id}/amend`,
      body: { refillAmount: 2 },
      other: { refillAmount: 3 },
    },
    pause: { path: `/v1/credits/renewals/${begun.id}/pause`, body: reason, other },
    resume: { path: `/v1/credits/renewals/${begun.id}/resume`, body: reason, other },
    cancel: { path: `/v1/credits/renewals/${begun.id}/cancel`, body: reason, other },
    event: { path: '/v1/events', body: event, other: { eventValue: 2 } },
    batch: { path: '/v1/events/batch', body: { events: [event, event] }, other: { events: [event] } },
  };
}

describe('a key', () => {
  let writes: Record<string, Write>;
  const firsts: Record<string, Answer> = {};
  const send = (client: Client, name: string, changed = {}) => {
    const { method = 'POST', path, body } = writes[name]!;
    return client.send(method, path, { ...body, ...changed }, keyed(`key-of-${name.replace(' ', '-')}`));
  };
  beforeAll(async () => void (writes = await everyWrite()));

  test('gets the first answer again: status and body to the byte, on every write', async () => {
    for (const name of Object.keys(writes)) {
      const first = await send(api, name);
      ok(first);
      expect([name, replayed(first), positionOf(first)]).toEqual([name, null, expect.any(Number)]);
      expect(positionOf(first)).toBeGreaterThan(0);
      firsts[name] = first;
    }
    expect(Object.keys(firsts)).toHaveLength(28);
    for (const name of Object.keys(writes)) expectReplay(name, await send(api, name));
  });

  function expectReplay(name: string, again: Answer): void {
    const first = firsts[name]!;
    const told = ['event', 'batch'].includes(name) // the answer to an event says itself that it is one again
      ? first.text.replaceAll('"deduplicated":false', '"deduplicated":true')
      : first.text;
    expect([name, again.status, replayed(again), again.text]).toEqual([name, first.status, 'true', told]);
    expect(positionOf(again)).toBeGreaterThan(0);
  }

  test('with another body: 422, and what differs is named', async () => {
    for (const [name, { other }] of Object.entries(writes)) {
      const [member] = Object.keys(other);
      if (member === undefined) continue;
      const answer = await send(api, name, other);
      expectProblem(answer, 422, 'idempotency_key_reused');
      expect([name, answer.text]).toEqual([name, expect.stringContaining(member)]);
      expect([name, replayed(answer)]).toEqual([name, null]);
    }
  });

  test('for another customer, or another object: 422, also within one batch', async () => {
    const customerId = await newCustomer(api);
    for (const name of ['grant', 'consume', 'hold', 'event']) {
      const answer = await send(api, name, { customerId });
      expectProblem(answer, 422, 'idempotency_key_reused');
      expect(answer.body.errors).toMatchObject([{ pointer: '/customerId', code: 'differs' }]);
    }
    const [a, b] = [fresh('cust'), fresh('cust')];
    const key = keyed(fresh('key'));
    ok(await api.send('POST', '/v1/customers', { id: a, name: 'A' }, key), 201);
    expectProblem(
      await api.send('POST', '/v1/customers', { id: b, name: 'A' }, key),
      422,
      'idempotency_key_reused',
    );
    ok(await api.post('/v1/customers', { id: b, name: 'B' }), 201);
    const change = keyed(fresh('key'));
    ok(await api.send('PATCH', `/v1/customers/${a}`, { name: 'A' }, change));
    const other = await api.send('PATCH', `/v1/customers/${b}`, { name: 'A' }, change);
    expectProblem(other, 422, 'idempotency_key_reused');
    expect(other.body.detail).toContain('another object');
    const event = { ...writes['event']!.body, idempotencyKey: fresh('key') };
    const batch = await api.post('/v1/events/batch', { events: [event, { ...event, customerId }] });
    expect(ok(batch, 202).errors).toMatchObject([{ index: 1, error: { code: 'idempotency_key_reused' } }]);
  });

  test('is remembered where nothing had to change', async () => {
    const id = fresh('cust');
    const path = `/v1/customers/${id}`;
    ok(await api.post('/v1/customers', { id, name: 'A' }), 201);
    for (const [method, at, body, other] of [
      ['PATCH', path, { name: 'A' }, { name: 'C' }],
      ['POST', '/v1/customers', { id, name: 'A' }, { id, name: 'C' }],
    ] as const) {
      const key = keyed(fresh('unchanged'));
      const first = await api.send(method, at, body, key);
      expect([first.status, replayed(first)]).toEqual([200, null]);
      ok(await api.send('PATCH', path, { name: 'B' }));
      const again = await api.send(method, at, body, key);
      expect([again.status, replayed(again), again.text]).toEqual([200, 'true', first.text]);
      expectProblem(await api.send(method, at, other, key), 422, 'idempotency_key_reused');
      expect(ok(await api.get(path)).name).toBe('B');
      ok(await api.send('PATCH', path, { name: 'A' }));
    }
  });

  test('members in another order, white space and number spellings are not another body', async () => {
    const { path, body } = writes['grant']!;
    const turned = JSON.stringify(Object.fromEntries(Object.entries(body).reverse()), null, 2);
    const again = await api.post(path, turned, keyed('key-of-grant'));
    expect([again.status, replayed(again)]).toEqual([201, 'true']);
  });

  test('still does after a restart of the server', async () => {
    await world.restart();
    for (const name of Object.keys(writes)) expectReplay(name, await send(api, name));
  });

  test('belongs to the account it acted on: on another one it never gets the first answer', async () => {
    const account = await newAccount(api);
    const answer = await api.post('/v1/credits/grants', { ...account, amount: '2.5' }, keyed('key-of-grant'));
    expect([201, 422]).toContain(answer.status);
    expect(replayed(answer)).toBeNull();
    const rows = await transactionsOf(api, account.customerId);
    expect(rows).toHaveLength(answer.status === 201 ? 1 : 0);
  });

  test('belongs to its operation and its environment', async () => {
    const live = makeKeys('live');
    const other = await startServer({ ...world.env, ...bootstrapOf(live) });
    try {
      const create = await api.post('/v1/plans', { planName: 'A' }, keyed('key-of-plan'));
      expect(replayed(create)).toBe('true');
      const inLive = await other
        .client(live.secret)
        .post('/v1/plans', { planName: 'Other' }, keyed('key-of-plan'));
      expect([inLive.status, replayed(inLive)]).toEqual([201, null]);
      const customer = await api.post('/v1/customers', { name: 'A' }, keyed('key-of-plan'));
      expect([customer.status, replayed(customer)]).toEqual([201, null]);
    } finally {
      await other.stop();
    }
  });

  test('has 1 to 255 visible ASCII characters', async () => {
    const account = await newAccount(api);
    for (const key of ['', ' ', 'a b', 'x'.repeat(256), 'café'])
      expectProblem(
        await api.post('/v1/credits/grants', { ...account, amount: 1 }, keyed(key)),
        400,
        'invalid_idempotency_key',
      );
    ok(await api.post('/v1/credits/grants', { ...account, amount: 1 }, keyed('~!'.repeat(127) + 'x')), 201);
    expect(await transactionsOf(api, account.customerId)).toHaveLength(1);
  });
});

describe('a refusal', () => {
  test('402 stays 402 under its key, also once there is credit, and leaves one fact', async () => {
    const account = await newAccount(api);
    const body = { ...account, amount: 5 };
    const first = await api.post('/v1/credits/consume', body, keyed('refused-1'));
    expectProblem(first, 402, 'insufficient_credit');
    expect([replayed(first), first.body.consumption.status]).toEqual([null, 'refused']);
    await grant(api, { ...account, amount: 100 });
    const again = await api.post('/v1/credits/consume', body, keyed('refused-1'));
    expect([again.status, again.text, replayed(again)]).toEqual([402, first.text, 'true']);
    expect(await consume(api, body)).toMatchObject({ consumed: '5' });
    const stream = ok(await api.get(`/v1/audit/streams/creditAccount-default.test_${account.customerId}`));
    const types = stream.data.map(({ type }: { type: string }) => type);
    expect(types).toEqual(['ConsumptionRefused', 'GrantIssued', 'CreditsConsumed']);
  });

  test('of a revoke, and of a uniqueness key, is replayed too', async () => {
    const account = await newAccount(api);
    const { id } = await grant(api, { ...account, amount: 1, uniquenessKey: 'once' });
    await consume(api, { ...account, amount: 1 });
    const requests = [
      [`/v1/credits/grants/${id}/revoke`, {}, 'grant_not_active'],
      ['/v1/credits/grants', { ...account, amount: 1, uniquenessKey: 'once' }, 'uniqueness_key_used'],
    ] as const;
    for (const [path, body, code] of requests) {
      const first = await api.post(path, body, keyed(`refused-${code}`));
      expectProblem(first, 409, code);
      const again = await api.post(path, body, keyed(`refused-${code}`));
      expect([again.status, again.text, replayed(first), replayed(again)]).toEqual([
        409,
        first.text,
        null,
        'true',
      ]);
    }
  });

  test('a body that is not acceptable does not use its key up', async () => {
    const account = await newAccount(api);
    const key = keyed('corrected');
    expectProblem(
      await api.post('/v1/credits/grants', { ...account, amount: -1 }, key),
      422,
      'validation_failed',
    );
    const answer = await api.post('/v1/credits/grants', { ...account, amount: 1 }, key);
    expect([answer.status, replayed(answer)]).toEqual([201, null]);
  });
});

describe('40 identical requests at once', () => {
  const N = 40;
  const storm = (send: () => Promise<Answer>) => Promise.all(Array.from({ length: N }, send));

  test('consume: one effect, exactly one answer without the replay header', async () => {
    const account = await newAccount(api);
    await grant(api, { ...account, amount: 100 });
    const body = { ...account, amount: 7 };
    const answers = await storm(() => api.post('/v1/credits/consume', body, keyed('storm')));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers.filter((answer) => replayed(answer) === null)).toHaveLength(1);
    expect(await balanceOf(api, account.customerId, account.unit)).toMatchObject({ available: '93' });
  });

  test('a refusal: one fact, exactly one answer without the replay header', async () => {
    const account = await newAccount(api);
    const body = { ...account, amount: 7 };
    const answers = await storm(() => api.post('/v1/credits/consume', body, keyed('storm-refused')));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers.filter((answer) => replayed(answer) === null)).toHaveLength(1);
  });

  test('create without an id, and create with one', async () => {
    const unnamed = await storm(() => api.post('/v1/customers', { name: 'Storm' }, keyed('storm-customer')));
    expect(new Set(unnamed.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(unnamed.filter((answer) => replayed(answer) === null)).toHaveLength(1);
    const id = fresh('cust');
    const named = await storm(() => api.post('/v1/customers', { id, name: 'Storm' }));
    expect(named.map(({ status }) => status).sort()).toEqual([...Array<number>(N - 1).fill(200), 201]);
  });

  test('an event: one debit', async () => {
    const meter = await newMeter(api);
    const customerId = await newCustomer(api);
    await grant(api, { customerId, unit: meter.unit, amount: 100 });
    const event = { eventName: meter.eventName, customerId, eventValue: 9, idempotencyKey: 'storm-event' };
    const answers = await storm(() => api.post('/v1/events', event));
    expect(answers.filter(({ body }) => body.deduplicated === false)).toHaveLength(1);
    expect(new Set(answers.map(({ body }) => body.event.id)).size).toBe(1);
    expect(await balanceOf(api, customerId, meter.unit)).toMatchObject({ available: '91' });
  });
});

describe("a caller's own id", () => {
  test('the same body again is the first answer with 200, another body 409', async () => {
    const { customerId, unit } = await newAccount(api);
    const plan = ok(await api.post('/v1/plans', { planName: 'Pro' }), 201);
    const component = { type: 'fixed', label: 'Base', amount_cents: '100' };
    const feature = fresh('feature');
    ok(await api.post('/v1/features', { slug: feature, displayName: 'F', featureValue: 1 }), 201);
    const creates: [path: string, body: object, other: object][] = [
      ['/v1/customers', { id: fresh('id'), name: 'A' }, { name: 'B' }],
      ['/v1/units', { code: fresh('id'), scale: 3 }, { scale: 4 }],
      ['/v1/meters', { id: fresh('id'), eventName: fresh('event') }, { name: 'B' }],
      [
        '/v1/features',
        { id: fresh('id'), slug: fresh('slug'), displayName: 'A', featureValue: 1 },
        { displayName: 'B' },
      ],
      ['/v1/plans', { id: fresh('id'), planName: 'A' }, { planName: 'B' }],
      [
        '/v1/prices',
        {
          id: fresh('id'),
          planId: plan.id,
          currency: 'USD',
          pricingData: { dsl_version: 1, components: [{ id: fresh('comp'), ...component }] },
        },
        { currency: 'EUR' },
      ],
      [
        '/v1/credits/definitions',
        {
          id: fresh('id'),
          name: 'A',
          scope: 'merchant',
          applicationType: 'usage',
          featureSlug: feature,
          defaultAmount: 1,
        },
        { defaultAmount: 2 },
      ],
      ['/v1/credits/grants', { id: fresh('id'), customerId, unit, amount: 1 }, { amount: 2 }],
    ];
    for (const [path, body, other] of creates) {
      const first = await api.post(path, body);
      ok(first, 201);
      const again = await api.post(path, body);
      expect([path, again.status, again.text]).toEqual([path, 200, first.text]);
      expect(positionOf(again)).toBeGreaterThan(0);
      const conflict = await api.post(path, { ...body, ...other });
      expect([path, conflict.status, conflict.body.code]).toEqual([path, 409, 'already_exists']);
    }
    expect(await balanceOf(api, customerId, unit)).toMatchObject({ ledger: '1', grants: 1 });
  });

  test("another customer cannot take a grant's id", async () => {
    const [mine, other] = [await newAccount(api), await newAccount(api)];
    const id = fresh('grant');
    await grant(api, { id, ...mine, amount: 1 });
    expectProblem(await api.post('/v1/credits/grants', { id, ...other, amount: 1 }), 409, 'already_exists');
  });

  test('ids that are made are typed, 26 characters, and sort by time', async () => {
    const account = await newAccount(api);
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1) ids.push((await grant(api, { ...account, amount: 1 })).id);
    expect(ids.every((id) => /^grant_[0-9a-hjkmnp-tv-z]{26}$/.test(id))).toBe(true);
    expect([...ids].sort()).toEqual(ids);
  });
});
