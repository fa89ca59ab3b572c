import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CqrsModule } from '@nestjs/cqrs';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import * as catalog from '#libs/catalog';
import { createStreamWriter } from '#libs/commands';
import { CATALOG_PORTS, catalogHandlers, createCatalogReader } from '#libs/commands/catalog';
import { createMemoryEventStore } from '#libs/event-store/memory';
import { createHttpEdge } from '../http/index.js';
import { catalogIndexOf } from '../../../test/support/catalog-world.js';
import { CATALOG_QUERIES, catalogControllers } from './index.js';
import type { CatalogQueries } from './index.js';

const eventStore = createMemoryEventStore({});
const writer = createStreamWriter({ eventStore, clock: () => Date.UTC(2026, 0, 1) });
let made = 0;
const ports = {
  writer,
  reader: createCatalogReader({
    writer,
    index: catalogIndexOf(eventStore),
    monotonic: () => performance.now(),
  }),
  newId: (prefix: string) => `${prefix}_${++made}`,
};

const kinds = [
  catalog.unitKind,
  catalog.meterKind,
  catalog.featureKind,
  catalog.planKind,
  catalog.priceKind,
  catalog.customerKind,
  catalog.creditDefinitionKind,
] as unknown as catalog.DocumentKind<catalog.Attributes>[];

/** What a filter looks at, as text. */
function valueOf(row: catalog.Attributes, rows: readonly catalog.Attributes[], filter: string): string {
  if (filter === 'archived') return String(row['isActive'] === false);
  if (filter !== 'newest') return row[filter] as string;
  const { stablePlanId, versionNumber } = row as { stablePlanId: string; versionNumber: number };
  return String(
    rows.every(
      (other) => other['stablePlanId'] !== stablePlanId || Number(other['versionNumber']) <= versionNumber,
    ),
  );
}

/** The catalogue straight from the log. */
const queries: CatalogQueries = {
  async get(tenant, kind, id) {
    const { data, position } = await queries.list(tenant, kind, { id }, { limit: 1, cursor: null });
    return data[0] ? { data: data[0], position } : null;
  },
  async list(tenant, category, filters, { limit, cursor }) {
    const { events, position } = await eventStore.readAll(null, 1000);
    const kind = kinds.find((candidate) => candidate.category === category)!;
    const documents = new Map<string, catalog.Document<catalog.Attributes> | null>();
    for (const { stream, type, data } of events)
      if (stream.startsWith(`${category}-${tenant}_`))
        documents.set(
          stream,
          catalog.evolveDocument(documents.get(stream) ?? null, {
            type,
            data,
          } as unknown as catalog.DocumentEvent<catalog.Attributes>),
        );
    const rows = [...documents.values()].map((document) => catalog.presentDocument(kind, document!));
    const found = rows.filter((row) =>
      Object.entries(filters).every(
        ([member, value]) => value === undefined || [value].flat().includes(valueOf(row, rows, member)),
      ),
    );
    const start = cursor === null ? 0 : found.findIndex(({ id }) => id === cursor) + 1;
    const data = found.slice(start, start + limit);
    return {
      data,
      nextCursor: found.length > start + limit ? (data.at(-1)!['id'] as string) : null,
      position,
    };
  },
};

@Module({
  imports: [CqrsModule.forRoot()],
  controllers: catalogControllers,
  providers: [
    ...catalogHandlers,
    { provide: CATALOG_PORTS, useValue: ports },
    { provide: CATALOG_QUERIES, useValue: queries },
  ],
})
class TestModule {}

let app: NestFastifyApplication;
let url: string;
const logged: unknown[] = [];

beforeAll(async () => {
  const edge = createHttpEdge((error) => logged.push(error));
  app = await NestFactory.create<NestFastifyApplication>(TestModule, edge.adapter, {
    bodyParser: false,
    logger: false,
  });
  edge.apply(app);
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', async (request) => {
      request.caller = { tenant: 'acme', actor: 'key_1', environment: 'live', kind: 'secret' };
    });
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
});

afterAll(async () => {
  await app.close();
  expect(logged).toEqual([]);
});

async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}/v1/${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

  return { status: response.status, headers: response.headers, body: await response.json() };
}

const post = (path: string, body?: unknown, headers?: Record<string, string>) =>
  call('POST', path, body, headers);
const issuesOf = ({ body }: { body: { errors?: { pointer: string; code: string }[] } }): string[] =>
  (body.errors ?? []).map(({ pointer, code }) => `${pointer} ${code}`);

const at = '2026-01-01T00:00:00.000Z';
const times = { createdAt: at, updatedAt: at };

describe('the catalogue over HTTP', () => {
  test('units: created once, currencies from the start, nothing unknown', async () => {
    const gold = { code: 'ai-credits', scale: 2 };
    const first = await post('units', gold);
    expect([first.status, first.headers.get('log-position')]).toEqual([201, '1']);
    expect(first.body).toEqual({
      id: 'ai-credits',
      code: 'ai-credits',
      kind: 'custom',
      scale: 2,
      isActive: true,
      ...times,
    });
    expect(await post('units', gold)).toMatchObject({ status: 200, body: first.body });
    expect(await post('units', { ...gold, scale: 3 })).toMatchObject({
      status: 409,
      body: { code: 'already_exists', errors: [{ pointer: '/scale' }] },
    });
    expect(await post('units', { code: 'USD' })).toMatchObject({ status: 409 });
    expect(await post('units', { code: 'USD', kind: 'monetary' })).toMatchObject({
      status: 200,
      body: { id: 'USD' },
    });
    expect(await call('GET', 'units/USD')).toMatchObject({
      status: 200,
      body: { kind: 'monetary', name: 'US Dollar' },
    });
    expect((await call('GET', 'units')).body.data).toEqual([first.body]);
    const currencies = (await call('GET', 'units?kind=monetary&limit=2')).body;
    expect(currencies.data.map(({ code }: { code: string }) => code)).toEqual(['AED', 'AFN']);
    expect(
      (await call('GET', `units?kind=monetary&limit=1&cursor=${currencies.nextCursor}`)).body.data[0].code,
    ).toBe('ALL');
    expect(issuesOf(await post('units', { code: 'a b', scale: 13, nope: 1 }))).toEqual([
      '/nope unknown_field',
      '/code id_invalid',
      '/scale out_of_range',
    ]);
  });

  test('meters: created, changed, archived', async () => {
    const { body, status } = await post('meters', {
      eventName: 'tokens',
      unit: 'ai-credits',
      rate: '0.5',
      aggregation: 'count',
    });
    expect([status, body]).toEqual([
      201,
      {
        id: 'mtr_1',
        eventName: 'tokens',
        aggregation: 'count',
        unit: 'ai-credits',
        rate: '0.5',
        onShortage: 'overage',
        status: 'active',
        ...times,
      },
    ]);
    expect(await post('meters/mtr_1/update', { name: 'Tokens', rate: 2 })).toMatchObject({
      status: 200,
      body: { name: 'Tokens', rate: '2' },
    });
    expect(issuesOf(await post('meters/mtr_1/update', { aggregation: 'sum', rate: null }))).toEqual([
      '/rate amount_invalid',
    ]);
    expect(issuesOf(await post('meters/mtr_1/update', { aggregation: 'sum' }))).toEqual([
      '/aggregation immutable',
    ]);
    expect(await post('meters/mtr_1/archive')).toMatchObject({ status: 200, body: { status: 'archived' } });
    expect(await post('meters/mtr_1/archive', {})).toMatchObject({ status: 200 });
    expect(await post('meters/nope/archive')).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await call('GET', 'meters/mtr_1')).toMatchObject({ body: { status: 'archived' } });
    expect(await post('meters', { eventName: 'tokens' })).toMatchObject({
      status: 409,
      body: { code: 'event_name_taken' },
    });
  });

  test('customers: by id and by external id, replayed, changed', async () => {
    const acme = {
      id: 'cust_123',
      externalCustomerId: 'user ext/456',
      name: 'Acme',
      metadata: { tier: 'gold' },
    };
    expect(await post('customers', acme, { 'Idempotency-Key': 'k' })).toMatchObject({
      status: 201,
      body: { ...acme, isActive: true },
    });
    const again = await post('customers', acme, { 'Idempotency-Key': 'k' });
    expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([201, 'true']);
    expect(await post('customers', { ...acme, name: 'B' }, { 'Idempotency-Key': 'k' })).toMatchObject({
      status: 422,
      body: { code: 'idempotency_key_reused' },
    });
    expect(await post('customers', { name: 'B', externalCustomerId: acme.externalCustomerId })).toMatchObject(
      { status: 409, body: { code: 'external_id_taken' } },
    );
    const external = `customers/${encodeURIComponent(acme.externalCustomerId)}?isExtCustId=true`;
    expect(await call('GET', external)).toMatchObject({ status: 200, body: { id: 'cust_123' } });
    expect(await call('PATCH', external, { email: 'a@acme.example', metadata: null })).toMatchObject({
      status: 200,
      body: { email: 'a@acme.example' },
    });
    expect((await call('GET', 'customers/cust_123?isExtCustId=false')).body).not.toHaveProperty('metadata');
    expect(await call('GET', 'customers/cust_123?isExtCustId=true')).toMatchObject({
      status: 404,
      body: { code: 'customer_not_found' },
    });
    expect(await call('PATCH', 'customers/nobody', { name: 'x' })).toMatchObject({
      status: 404,
      body: { code: 'customer_not_found' },
    });
    expect(issuesOf(await call('PATCH', 'customers/cust_123', { name: null, timezone: 'x' }))).toEqual([
      '/name type',
    ]);
    expect(issuesOf(await post('customers', { name: 'B', timezone: 'x', preferredCurrency: 'eur' }))).toEqual(
      ['/timezone timezone_unknown', '/preferredCurrency currency_unknown'],
    );
    expect((await call('GET', 'customers?x=1')).body.code).toBe('unknown_query_parameter');
  });

  test('the definitions of the guide, word for word, and what they refer to', async () => {
    await post('meters', { id: 'mtr_calls', eventName: 'api-calls' });
    await post('plans', { id: 'plan_abc', planName: 'Pro' });
    await post('plans', { id: 'plan_free', name: 'Free' });
    const component = {
      id: 'comp_usage_xyz',
      type: 'usage',
      label: 'API calls',
      unit_cost_cents: '0.1',
      metric_id: 'mtr_calls',
      recurrence_rule: 'RRULE:FREQ=MONTHLY;INTERVAL=1',
    };
    const price = {
      id: 'price_123',
      planId: 'plan_abc',
      currency: 'USD',
      pricingData: { dsl_version: 1, components: [component] },
    };
    expect(await post('prices', price)).toMatchObject({
      status: 201,
      body: { pricingData: { components: [{ ...component, recurrence_rule: 'FREQ=MONTHLY;INTERVAL=1' }] } },
    });
    expect((await call('GET', 'prices?planId=plan_abc')).body.data).toHaveLength(1);
    expect((await call('GET', 'prices?planId=plan_free')).body.data).toHaveLength(0);
    await post('features', { slug: 'api-calls', displayName: 'API calls', featureValue: 1000 });
    expect(await call('GET', 'features/api-calls')).toMatchObject({
      status: 200,
      body: { featureType: 'number', meterId: 'mtr_calls' },
    });

    const usage = {
      scope: 'plan',
      applicationType: 'usage',
      planId: 'plan_abc',
      priceId: 'price_123',
      priceComponentId: 'comp_usage_xyz',
      name: 'Monthly API credits',
      billingVisible: true,
      defaultAmount: 10000,
      refillAmount: 10000,
      renewOnBilling: true,
    };
    const free = {
      scope: 'plan',
      applicationType: 'usage',
      planId: 'plan_free',
      featureSlug: 'api-calls',
      name: 'Free plan API allowance',
      defaultAmount: 1000,
      renewOnBilling: true,
    };
    const account = {
      scope: 'merchant',
      applicationType: 'monetary',
      name: 'Account Credit',
      currency: 'USD',
      billingVisible: true,
      billingDescription: 'Account Credit',
      defaultAmount: 5000,
    };
    expect(await post('credits/definitions', usage)).toMatchObject({
      status: 201,
      body: {
        ...usage,
        defaultAmount: '10000',
        refillAmount: '10000',
        unit: 'api-calls',
        isActive: true,
        ...times,
      },
    });
    expect(await post('credits/definitions', free)).toMatchObject({
      status: 201,
      body: { unit: 'api-calls' },
    });
    const { body } = await post('credits/definitions', account);
    expect(body).toMatchObject({ unit: 'USD', linkedMeters: [] });
    expect(
      (await call('GET', 'credits/definitions?applicationType=monetary&scope=merchant')).body.data,
    ).toEqual([body]);
    expect((await call('GET', 'credits/definitions?limit=2')).body.nextCursor).toEqual(expect.any(String));
    expect(await post(`credits/definitions/${body.id}/update`, { isActive: false })).toMatchObject({
      status: 200,
      body: { isActive: false },
    });
    const refused = await post('credits/definitions', {
      ...account,
      currency: undefined,
      billingVisible: false,
      refillRrule: 'FREQ=DAILY;TZID=UTC',
      planId: 'p',
    });
    expect([refused.status, refused.body.code]).toEqual([422, 'validation_failed']);
    expect(issuesOf(refused)).toEqual([
      '/currency required',
      '/billingVisible billing_visible_required',
      '/refillRrule rrule_tzid',
      '/planId unknown_reference',
    ]);
  });

  test('components of a price are checked one by one', async () => {
    const bad = {
      planId: 'plan_abc',
      currency: 'USD',
      pricingData: { dsl_version: 2, components: [{ type: 'flat', tiers: [] }, 7] },
    };
    expect(issuesOf(await post('prices', bad)).sort()).toEqual([
      '/pricingData/components/0/label required',
      '/pricingData/components/0/tiers type',
      '/pricingData/components/0/type not_allowed',
      '/pricingData/components/1 type',
      '/pricingData/dsl_version not_allowed',
    ]);
  });

  test('is documented', () => {
    const document = SwaggerModule.createDocument(app, new DocumentBuilder().build());
    expect(Object.keys(document.paths)).toHaveLength(25);
    expect(document.components?.schemas?.['DefinitionBody']).toMatchObject({
      required: ['name', 'scope', 'applicationType', 'defaultAmount'],
    });
    expect(document.paths['/v1/customers/{id}']?.get?.parameters).toHaveLength(3);
  });
});
