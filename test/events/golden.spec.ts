import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { dueOf, invoice, numberSeries, paymentMethods } from '#libs/billing';
import { apiKeys, installation } from '#libs/commands';
import { claims } from '#libs/commands/catalog';
import { evolve, initialAccount, type CreditEvent } from '#libs/credits';
import type { RecordedEvent } from '#libs/event-store';
import { EVENT_TYPES, eventTypesOf, payloadFaults, SCHEMAS, upcast, type Schema } from '#libs/event-types';
import { evolve as evolveSubscription, type Subscription, type SubscriptionEvent } from '#libs/subscriptions';
import { evolveDocument, type Attributes, type Document, type DocumentEvent } from '#libs/catalog';

type Stored = Pick<RecordedEvent, 'stream' | 'type' | 'data'> & { readonly schemaVersion: number };

/**
 * Events as they were stored. These files never change, they only grow: a new version of an event gets new ones.
 * The first one stands for a stream of its own, all of it in version 1.
 */
const golden = (file: string): readonly RecordedEvent[] => {
  const stored = JSON.parse(
    readFileSync(new URL(file, import.meta.url), 'utf8'),
  ) as readonly Partial<Stored>[];
  return stored.map(
    ({ stream = 'creditAccount-t_c', type, data, schemaVersion = 1 }, index) =>
      ({
        stream,
        revision: index,
        position: BigInt(index + 1),
        type,
        data,
        metadata: { schemaVersion },
      }) as unknown as RecordedEvent,
  );
};

const ACCOUNT_V1 = golden('credit-account.v1.json');
const ACCOUNT_V2 = golden('credit-account.v2.json');
const CATALOGUE = golden('catalogue.v1.json');
const HOLDS_AND_RENEWALS = golden('credit-account.holds-and-renewals.json');
/** Every member and every value that no life above has; each by itself. */
const MEMBERS = golden('credit-account.members.json');
/** Definitions that say how their grants renew. */
const RENEWING = golden('catalogue.renewals.json');
/** Versions of plans, prices with tiers, members of organisations, pricing tables and enrolment rules. */
const PLANS = golden('catalogue.plans-and-organizations.json');
/** Definitions that say who has what seats bring. */
/** Amounts in units that a meter counts otherwise. */
const RATES = golden('credit-account.rates.json');
const SEATS = golden('catalogue.seats.json');
/** A subscription's whole life. */
const SUBSCRIPTION = golden('subscription.v1.json');
const INSTALLATION = golden('installation.v1.json');
/** A key whose value is kept. */
const PUBLISHABLE = golden('installation.publishable.json');
const INVOICES = golden('invoices.v1.json');
/** Of customers who have a time zone. */
const ZONED = golden('invoices.zone.json');
/** Settings of a merchant, payment methods, and invoices that are not paid. */
const PAYMENTS = golden('payments.v1.json');
/** What keyed commands leave that change nothing. */
const ANSWERED_KEYS = golden('answered-keys.json');
const ALL = [
  ...ACCOUNT_V1,
  ...ACCOUNT_V2,
  ...HOLDS_AND_RENEWALS,
  ...MEMBERS,
  ...RATES,
  ...CATALOGUE,
  ...RENEWING,
  ...PLANS,
  ...SEATS,
  ...SUBSCRIPTION,
  ...INSTALLATION,
  ...PUBLISHABLE,
  ...INVOICES,
  ...ZONED,
  ...PAYMENTS,
  ...ANSWERED_KEYS,
];

const ONE = 10n ** 12n;

const categoryOf = ({ stream }: RecordedEvent): string => stream.slice(0, stream.indexOf('-'));
const newest = (event: RecordedEvent): RecordedEvent => upcast(event, eventTypesOf(categoryOf(event)));
const nameOf = (event: RecordedEvent): string =>
  `${categoryOf(event)}/${event.type}.v${String(event.metadata['schemaVersion'])}`;

const fold = (events: readonly RecordedEvent[]) =>
  events.map((event) => newest(event) as unknown as CreditEvent).reduce(evolve, initialAccount);

describe('stored events of every version there ever was', () => {
  it('are all here', () => {
    expect([...new Set(ALL.map(nameOf))].sort()).toEqual([...SCHEMAS.keys()].sort());
  });

  it('are what the schema of their version says', () => {
    for (const event of ALL) expect([nameOf(event), payloadFaults(event)]).toEqual([nameOf(event), []]);
  });

  it('have every member and every value that a schema names, so that none can be dropped unseen', () => {
    const missing = [...SCHEMAS].flatMap(([name, schema]) =>
      unseen(
        schema,
        schema,
        ALL.filter((event) => nameOf(event) === name).map(({ data }) => data),
      ).map((member) => `${name}${member}`),
    );
    expect(missing).toEqual([]);
  });

  it('become what the newest schema says', () => {
    for (const event of ALL.map(newest)) {
      expect(event.metadata['schemaVersion']).toBe(
        EVENT_TYPES.get(categoryOf(event))!.get(event.type)!.version,
      );
      expect([nameOf(event), payloadFaults(event)]).toEqual([nameOf(event), []]);
    }
  });

  it('have schemas that are what the types say', () => {
    const script = new URL('./write-schemas.mjs', import.meta.url);
    execFileSync(process.execPath, [script.pathname, '--check'], { stdio: ['ignore', 'ignore', 'pipe'] });
  });
});

/** Members and values of a schema that no sample has. */
function unseen(
  schema: Schema,
  root: Schema,
  samples: readonly unknown[],
  seen = new Set<Schema>(),
): string[] {
  if (schema.$ref !== undefined)
    return unseen(root.definitions![schema.$ref.slice('#/definitions/'.length)]!, root, samples, seen);
  if (seen.has(schema)) return [];
  const within = new Set(seen).add(schema);
  const objects = samples.filter((one) => typeof one === 'object' && one !== null) as Record<
    string,
    unknown
  >[];
  return [
    ...Object.entries(schema.properties ?? {}).flatMap(([member, type]) => {
      const values = objects.filter((one) => member in one).map((one) => one[member]);
      const below = values.length === 0 ? [''] : unseen(type!, root, values, within);
      return below.map((path) => `/${member}${path}`);
    }),
    ...(schema.items
      ? unseen(
          schema.items,
          root,
          samples.flatMap((one) => (Array.isArray(one) ? (one as unknown[]) : [])),
          within,
        )
      : []),
    ...(schema.enum ?? [])
      .filter((value) => value !== null && !samples.includes(value))
      .map((value) => `: ${String(value)}`),
    ...(schema.anyOf ?? []).flatMap((one) => unseen(one, root, samples, within)),
  ];
}

describe('events of a credit account as they were stored', () => {
  it('fold to the state they always folded to', () => {
    const { units, ended, holds, reversed, series } = fold(ACCOUNT_V1);
    expect([...units].map(([unit, { balance, debt, grants }]) => [unit, balance, debt, grants])).toEqual([
      ['api-calls', 0n, 0n, []],
      [
        'USD',
        40n * ONE,
        0n,
        [
          {
            id: 'grant_3',
            unit: 'USD',
            amount: 40n * ONE,
            adjusted: 0n,
            remaining: 40n * ONE,
            held: 0n,
            usedUntil: 0,
            activated: true,
            scope: 'plan',
            kind: 'prepaid',
            priority: 50,
            free: true,
            narrowness: [Infinity, Infinity, Infinity],
            effectiveAt: Date.UTC(2026, 0, 14),
            expiresAt: Infinity,
            issued: 11,
          },
        ],
      ],
    ]);
    expect([...ended].map(([id, { endedAs, unit, issued }]) => [id, endedAs, unit, issued])).toEqual([
      ['schedule_1.1', 'depleted', 'api-calls', 1],
      ['grant_2', 'voided', 'api-calls', 7],
      ['grant_1', 'expired', 'api-calls', 0],
    ]);
    expect([holds.size, reversed.size, series.size]).toEqual([0, 0, 0]);
  });

  it('fold to the state they folded to when they came', () => {
    const { units, ended, holds, reversed, series, nextDue } = fold(HOLDS_AND_RENEWALS);
    expect([...units].map(([unit, { balance, held }]) => [unit, balance, held])).toEqual([
      ['calls', 0n, 0n],
      ['seats', 0n, 0n],
    ]);
    expect([...ended].map(([id, { endedAs }]) => [id, endedAs])).toEqual([
      ['grant_2', 'expired'],
      ['grant_3', 'expired'],
      ['series_1~carried~1', 'expired'],
      ['series_1~1', 'expired'],
      ['series_1~2', 'expired'],
      ['grant_1', 'expired'],
    ]);
    expect([holds.size, nextDue]).toEqual([0, Infinity]);
    expect([...reversed]).toEqual([['hold_1', ONE / 2n]]);
    expect(series.get('series_1')).toMatchObject({ status: 'cancelled', occurrence: 2, carried: 1 });
  });

  it('fold with the cause of an expiry as without', () => {
    const { revision, ended } = fold(ACCOUNT_V2);
    expect([revision, [...ended].map(([id, { endedAs }]) => [id, endedAs])]).toEqual([
      11,
      [['grant_1', 'expired']],
    ]);
  });

  it('of a subscription fold to the state they always folded to', () => {
    const state = SUBSCRIPTION.map(
      (event) => newest(event) as unknown as SubscriptionEvent,
    ).reduce<Subscription | null>(evolveSubscription, null)!;
    expect(state).toMatchObject({
      status: 'canceled',
      revision: 21,
      quantity: 5,
      terms: { planId: 'plan_1' },
      period: { number: 2, start: Date.UTC(2026, 0, 27), end: Date.UTC(2026, 1, 27) },
      trial: { endsAt: Date.UTC(2026, 0, 15), then: null },
      endedAt: Date.UTC(2026, 0, 30),
      priceOverride: null,
      change: null,
      lines: [],
    });
    expect(state.overrides.map(({ slug, value }) => [slug, value])).toEqual([['api-calls', '5000']]);
    expect(state.seats.map(({ externalCustomerId }) => externalCustomerId)).toEqual(['bob']);
    const told = (what: string) => state.pending.filter((step) => step.do === what).length;
    expect(['begin', 'renew', 'pause', 'end', 'release'].map(told)).toEqual([16, 0, 5, 19, 1]);
  });

  it('say why a grant ended, also where that was not stored yet', () => {
    const [expiry] = ACCOUNT_V1.filter(({ type }) => type === 'GrantExpired');
    expect(expiry!.data).not.toHaveProperty('cause');
    expect(newest(expiry!).data).toEqual({ ...expiry!.data, cause: 'ended' });
  });

  it('stop the replay when one is unknown or contradicts what stands before it', () => {
    const unknown = { type: 'GrantDoubled', data: {} } as unknown as CreditEvent;
    expect(() => evolve(initialAccount, unknown)).toThrow('unknown credit event');
    expect(() => fold(ACCOUNT_V1.slice(2))).toThrow('history contradicts itself');
  });
});

describe('events of the catalogue as they were stored', () => {
  const documents = new Map<string, Document<Attributes> | null>();
  for (const event of CATALOGUE.map(newest).filter(({ stream }) => !stream.startsWith('claim-')))
    documents.set(
      event.stream,
      evolveDocument(documents.get(event.stream) ?? null, event as unknown as DocumentEvent<Attributes>),
    );

  it.each([
    ['unit', { code: 'api-calls', kind: 'custom', scale: 2 }],
    ['meter', { name: 'Calls', rate: '0.5', onShortage: 'pending', unit: 'api-calls' }],
    ['feature', { slug: 'calls', featureValue: false, featureType: 'boolean', meterId: 'mtr_2' }],
    ['plan', { planName: 'Pro+', metadata: { tier: '3' } }],
    ['price', { currency: 'EUR', planId: 'plan_1' }],
    ['customer', { name: 'Acme & Sons', metadata: { region: 'us' }, taxId: 'GB123' }],
    ['creditDefinition', { isActive: false, priority: 0, defaultAmount: '100', linkedMeters: ['mtr_1'] }],
  ])('make the %s they always made', (category, attributes) => {
    const [, document] = [...documents].find(([stream]) => stream.startsWith(`${category}-`))!;
    expect(document).toMatchObject({
      attributes,
      createdAt: '2026-01-01T00:00:00.000Z',
      archivedAt: '2026-01-03T00:00:00.000Z',
    });
    // a null has unset the member
    for (const member of ['debtLimit', 'email', 'planDescription', 'refillAmount', 'description'])
      expect([null, undefined].includes(document!.attributes[member] as null)).toBe(
        !(category === 'creditDefinition' && member === 'description'),
      );
  });

  it('leave a claim with its last owner', () => {
    const events = CATALOGUE.map(newest).filter(({ stream }) => stream.startsWith('claim-'));
    const { decider } = claims;
    expect(events.map((event) => event as never).reduce(decider.evolve, decider.initialState)).toEqual({
      owner: 'feat_2',
      at: '2026-01-03T00:00:00.000Z',
    });
  });
});

describe('events of the installation as they were stored', () => {
  const of = (category: string) =>
    INSTALLATION.map(newest)
      .filter((event) => event.stream.startsWith(category))
      .map((event) => event as never);

  it('make the keys they always made', () => {
    const { decider } = apiKeys;
    expect(of('apiKey-system_key_01').reduce(decider.evolve, decider.initialState)).toEqual({
      id: 'key_01h455vb4pex5vsknk084sn02q',
      tenant: 'default',
      environment: 'test',
      kind: 'secret',
      name: 'CI',
      prefix: 'sk_test_abcd',
      hash: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
      createdAt: '2026-01-01T00:00:00.000Z',
      revokedAt: '2026-01-02T00:00:00.000Z',
    });
  });

  it('say that the installation has begun', () => {
    const { decider } = installation;
    expect(of('installation').reduce(decider.evolve, decider.initialState)).toBe(true);
  });
});

describe('events of invoices as they were stored', () => {
  const of = (stream: string) =>
    INVOICES.map(newest)
      .filter((event) => event.stream === stream)
      .map((event) => event as never);

  it.each([
    ['inv_1', 'paid', '7348', [0n, 11000n, 7348n, 11000n], 1],
    ['inv_2', 'void', '700', [0n, 0n, 0n, 0n], 1],
    ['inv_3', 'paid', '-416', [0n, 0n, 0n, 416n], 1],
    ['inv_4', 'issued', '1070', [1070n, 0n, 0n, 0n], 0],
  ])('make %s what it always was: %s', (id, status, total, [due, paid, credited, overpaid], toDrive) => {
    const state = of(`invoice-t_${id}`).reduce(invoice.evolve, invoice.initialState);
    expect([state.status, state.final?.total]).toEqual([status, total]);
    expect([dueOf(state), state.paid, state.credited, state.overpaid]).toEqual(
      [due, paid, credited, overpaid].map((cents) => cents! * ONE),
    );
    expect(state.toDrive).toHaveLength(toDrive);
  });

  it.each([
    ['inv_d0', 'unpaid', null],
    ['inv_d1', 'uncollectible', { revision: 7, action: 'pause' }],
    ['inv_d2', 'uncollectible', null],
  ])('leave %s as it was collected: %s', (id, status, subscription) => {
    const events = PAYMENTS.map(newest).filter(({ stream }) => stream === `invoice-t_${id}`);
    const state = events.map((event) => event as never).reduce(invoice.evolve, invoice.initialState);
    expect([state.status, state.unpaidAt, state.subscription]).toEqual([
      status,
      Date.UTC(2026, 1, 2),
      subscription,
    ]);
    expect(state.attempts.map((attempt) => attempt.status)).toEqual([
      'failed',
      'withdrawn',
      status === 'unpaid' ? 'requested' : 'withdrawn',
    ]);
    expect(state.tried).toEqual([]);
  });

  it('leave the customer with the payment methods it had', () => {
    const events = PAYMENTS.map(newest).filter(({ stream }) => stream.startsWith('paymentMethods-'));
    const methods = events.map((event) => event as never).reduce(paymentMethods.evolve, []);
    expect(methods.map(({ methodId }) => methodId)).toEqual(['pm_2', 'pm_1']);
  });

  it('leave the numbers where they were', () => {
    const series = of('invoiceNumbers-t_ACME').reduce(numberSeries.evolve, numberSeries.initialState);
    expect(series).toEqual({ last: 3, pending: ['inv_3'] });
  });
});
