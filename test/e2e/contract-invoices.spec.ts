import { describe, expect, test } from '@jest/globals';
import type { Answer } from '../support/client.js';
import {
  DAY,
  expectProblem,
  fresh,
  iso,
  newCustomer,
  newMeter,
  nowOf,
  ok,
  positionOf,
  worldOfTests,
} from './world.js';

/** Invoices: made when periods end, with what stands behind each line, and what becomes of them. */

const world = worldOfTests();
const { api } = world;

const process = async (time: number) =>
  ok(await world.jobs.post('/v1/trigger/billing/process-invoices', { timestamp: iso(time) }), 200);
const list = (query: string): Promise<any[]> => api.all(`/v1/invoices?${query}`);

/** A customer who pays 5.00 a month and 0.01 for each call, and has credit for 100 calls and 3.00. */
async function subscriber(members: object = {}) {
  const meter = await newMeter(api, { eventName: fresh('calls') });
  const plan = ok(await api.post('/v1/plans', { planName: fresh('Plan') }), 201);
  const components = [
    { type: 'fixed', label: 'Base fee', amount_cents: 500, recurrence_rule: 'FREQ=MONTHLY' },
    {
      type: 'usage',
      label: 'Calls',
      unit_cost_cents: 1,
      metric_id: meter.id,
      recurrence_rule: 'FREQ=MONTHLY',
    },
  ];
  const pricingData = { dsl_version: 1, components };
  ok(await api.post('/v1/prices', { planId: plan.id, currency: 'EUR', pricingData }), 201);
  const customerId = await newCustomer(api, {
    businessName: 'Björn & Söhne GmbH',
    taxRate: '0.19',
    invoicePrefix: fresh('P').toUpperCase(),
    ...members,
  });
  const subscription = ok(await api.post('/v1/subscriptions', { customerId, planId: plan.id }), 201);
  ok(
    await api.post('/v1/credits/grants', {
      customerId,
      unit: meter.eventName,
      amount: '100',
      billingVisible: true,
      name: 'Included calls',
    }),
    201,
  );
  return { customerId, meter, subscription };
}
const use = async (customerId: string, eventName: string, eventValue: number) =>
  ok(await api.post('/v1/events', { customerId, eventName, eventValue }), 202);

describe('a period that ends', () => {
  test('is invoiced once, from the draft on to each usage and back', async () => {
    const { customerId, meter, subscription } = await subscriber();
    const [first] = await invoicesOf(customerId, 1);
    expect(first).toMatchObject({
      total: '595',
      subtotal: '500',
      tax: '95',
      status: 'issued',
      amountDue: '595',
    });
    const { event } = await use(customerId, meter.eventName, 150);
    ok(
      await api.post('/v1/credits/grants', { customerId, unit: 'EUR', amount: '300', name: 'Welcome' }),
      201,
    );
    const { data: drafts } = ok(await api.get(`/v1/invoices/upcoming?customerId=${customerId}`), 200);
    expect(drafts).toMatchObject([
      { status: 'draft', subtotal: '550', credits: '-300', tax: '48', total: '298' },
    ]);

    const end = Date.parse(subscription.currentPeriodEnd);
    const run = await process(end);
    expect(run.processed).toBeGreaterThanOrEqual(0);
    const invoices = await invoicesOf(customerId, 2);
    const invoice = invoices[1];
    expect(invoice).toMatchObject({ id: drafts[0].id, total: '298', currency: 'EUR', status: 'issued' });
    expect(invoice.number).toMatch(/-002$/);
    expect((await process(end)).processed).toBe(0);
    expect(await list(`customerId=${customerId}`)).toHaveLength(2);
    expect(await list(`customerId=${customerId}&to=${iso(end - DAY)}`)).toEqual([first]);
    expect(await list(`subscriptionId=${subscription.id}&status=issued`)).toHaveLength(2);
    expect(ok(await api.get(`/v1/invoices/${invoice.id}`), 200)).toEqual(invoice);

    const line = invoice.lines.find((one: { type: string }) => one.type === 'usage');
    const tracePath = `/v1/invoices/${invoice.id}/lines/${line.lineId}/trace`;
    const traced = await api.get(tracePath);
    const trace = ok(traced, 200);
    const position = positionOf(traced);
    expect(position).toBeGreaterThan(0);
    ok(await api.get(`${tracePath}?minPosition=${position}`), 200);
    expectProblem(await api.get(`${tracePath}?minPosition=${10 ** 12}`), 503, 'read_model_behind');
    expect(trace).toMatchObject({
      line,
      data: [{ eventId: event.id, customerId, quantity: '150', allocations: [{ quantity: '100' }] }],
      nextCursor: null,
    });
    expectProblem(await api.get(`${tracePath}?cursor=MTA`), 400, 'invalid_query_parameter', ['?cursor']);
    const credit = invoice.lines.find((one: { type: string }) => one.type === 'usage_credit');
    const covered = ok(await api.get(`/v1/invoices/${invoice.id}/lines/${credit.lineId}/trace`), 200);
    expect(covered.data).toEqual(trace.data);
    const fee = ok(await api.get(`/v1/invoices/${invoice.id}/lines/1/trace`), 200);
    expect([fee.line, fee.data]).toEqual([invoice.lines[0], []]);
    expectProblem(await api.get(`/v1/invoices/${invoice.id}/lines/99/trace`), 404, 'not_found');
    const back = ok(await api.get(`/v1/events/${event.id}/invoice-line`), 200);
    expect(back).toEqual({
      eventId: event.id,
      status: 'invoiced',
      invoiceId: invoice.id,
      lineId: line.lineId,
    });
    const { event: later } = await use(customerId, meter.eventName, 1);
    expect(ok(await api.get(`/v1/events/${later.id}/invoice-line`), 200)).toMatchObject({
      status: 'unbilled',
      invoiceId: null,
    });
    expectProblem(await api.get('/v1/events/none/invoice-line'), 404, 'not_found');

    const pdf = await api.get(`/v1/invoices/${invoice.id}/pdf`);
    expect(pdf.status).toBe(200);
    expect(pdf.headers.get('content-type')).toBe('application/pdf');
    expect(pdf.text.startsWith('%PDF-1.')).toBe(true);
  });

  test('has what came late for it once more, when nothing more is accepted of what ended', async () => {
    const { customerId, meter, subscription } = await subscriber();
    ok(await api.post(`/v1/subscriptions/${subscription.id}/cancel`, { atPeriodEnd: false }), 200);
    await invoicesOf(customerId, 2);
    const ended = Date.parse((await api.get(`/v1/subscriptions/${subscription.id}`)).body.endTimestamp);
    await process(ended + 33 * DAY);
    const eventTimestamp = iso(ended - 1);
    const { eventName } = meter;
    const late = await api.post('/v1/events', { customerId, eventName, eventValue: 107, eventTimestamp });
    const { event } = ok(late, 202);
    await process(ended + 34 * DAY - 60_000);
    expect(await list(`customerId=${customerId}`)).toHaveLength(2);
    const upcoming = async () =>
      ok(await api.get(`/v1/invoices/upcoming?customerId=${customerId}`), 200).data;
    const [draft, ...others] = await upcoming();
    expect([draft, others]).toMatchObject([{ total: '8', closesAt: iso(ended + 34 * DAY) }, []]);
    await process(ended + 34 * DAY);
    const last = (await list(`customerId=${customerId}`))[2];
    expect([last.id, await upcoming()]).toEqual([draft.id, []]);
    expect(last).toMatchObject({ subtotal: '7', tax: '1', total: '8' });
    expect(last.number).toMatch(/-003$/);
    expect(ok(await api.get(`/v1/events/${event.id}/invoice-line`), 200)).toMatchObject({
      status: 'invoiced',
      invoiceId: last.id,
    });
    await process(ended + 90 * DAY);
    expect(await list(`customerId=${customerId}`)).toHaveLength(3);
  });

  test('is invoiced by the worker where nobody asks', async () => {
    const { customerId } = await subscriber();
    expect(await invoicesOf(customerId, 1)).toHaveLength(1);
  });
});

/** Waits for the worker, which invoices by itself. */
async function invoicesOf(customerId: string, count: number): Promise<any[]> {
  for (;;) {
    const found = await list(`customerId=${customerId}`);
    if (found.length >= count) return found;
    await process(await nowOf(api, customerId));
  }
}

describe('an invoice', () => {
  const one = async () => {
    const { customerId } = await subscriber();
    const [invoice] = await invoicesOf(customerId, 1);
    const act = (action: string, body: object = {}, headers = {}) =>
      api.post(`/v1/invoices/${invoice.id}/${action}`, body, headers);
    return { customerId, invoice, act };
  };

  test('is paid once', async () => {
    const { act } = await one();
    const body = ok(await act('mark-paid', { reference: 'wire 7' }, { 'Idempotency-Key': 'p1' }), 200);
    expect(body).toMatchObject({ status: 'paid', amountPaid: '595', amountDue: '0' });
    expect(ok(await act('mark-paid'), 200)).toEqual(body);
    expectProblem(await act('void', { reason: 'late' }), 409, 'invoice_not_open');
    expect(ok(await act('finalize'), 200)).toEqual(body);
    ok(await act('credit-note', { reason: 'goodwill', lines: [{ lineId: '1', amount: '100' }] }), 201);
    const again = await act('mark-paid', { reference: 'wire 7' }, { 'Idempotency-Key': 'p1' });
    expect([ok(again, 200), again.headers.get('idempotent-replayed')]).toEqual([body, 'true']);
  });

  test('answers a key the same for ever, whether it changed something, nothing, or was refused', async () => {
    const { act } = await one();
    const note = { reason: 'goodwill', lines: [{ lineId: '1', amount: '100' }] };
    const requests: readonly (readonly [string, number, object?])[] = [
      ['finalize', 200],
      ['credit-note', 201, note],
      ['credit-note', 409, { ...note, lines: [{ lineId: '1', amount: '1000000' }] }],
      ['void', 409, { reason: 'late' }],
      ['mark-paid', 200],
      ['mark-paid', 200],
      ['mark-uncollectible', 409, { reason: 'gone' }],
      ['credit-note', 201, { reason: 'the rest' }],
    ];
    const first: Answer[] = [];
    for (const [index, [action, status, body]] of requests.entries()) {
      const answer = await act(action, body, { 'Idempotency-Key': `forever-${index}` });
      expect([action, answer.status, answer.headers.get('idempotent-replayed')]).toEqual([
        action,
        status,
        null,
      ]);
      first.push(answer);
    }
    for (const [index, [action, status, body]] of requests.entries()) {
      const again = await act(action, body, { 'Idempotency-Key': `forever-${index}` });
      expect([action, again.status, again.text]).toEqual([action, status, first[index]!.text]);
      expect([action, again.headers.get('idempotent-replayed')]).toEqual([action, 'true']);
    }
    expectProblem(
      await act('void', { reason: 'other' }, { 'Idempotency-Key': 'forever-3' }),
      422,
      'idempotency_key_reused',
    );
  });

  test('is voided: what credits paid goes back', async () => {
    const { customerId, meter, subscription } = await subscriber();
    const granted = ok(await api.post('/v1/credits/grants', { customerId, unit: 'EUR', amount: '900' }), 201);
    await use(customerId, meter.eventName, 1);
    await process(Date.parse(subscription.currentPeriodEnd) + DAY);
    const invoice = (await invoicesOf(customerId, 2)).at(-1);
    const left = async () => ok(await api.get(`/v1/credits/grants/${granted.id}`), 200).remainingAmount;
    const before = await left();
    const voided = ok(await api.post(`/v1/invoices/${invoice.id}/void`, { reason: 'wrong' }), 200);
    expect(voided).toMatchObject({ status: 'void', amountDue: '0', number: invoice.number });
    expect(Number(await left()) - Number(before)).toBe(-Number(invoice.credits));
  });

  test('is taken back in part and then as a whole, by notes with numbers of their own', async () => {
    const { invoice, act } = await one();
    const lines = [{ lineId: '1', amount: '200' }];
    const key = { 'Idempotency-Key': 'n1' };
    const first = ok(await act('credit-note', { reason: 'too dear', lines }, key), 201);
    expect(first).toMatchObject({ amountCredited: '238', amountDue: '357', status: 'issued' });
    expect(ok(await act('credit-note', { reason: 'too dear', lines }, key), 201)).toEqual(first);
    const all = ok(await act('credit-note', { reason: 'all of it' }), 201);
    expect(all).toMatchObject({ amountCredited: '595', amountDue: '0', status: 'paid' });
    const prefix = invoice.number.slice(0, -4);
    expect(all.creditNotes.map(({ number }: { number: string }) => number)).toEqual([
      `${prefix}-CN-001`,
      `${prefix}-CN-002`,
    ]);
    expectProblem(await act('credit-note', { reason: 'more' }), 409, 'credit_note_exceeded');
  });

  test('that was paid and is taken back pays the next one, tax and all', async () => {
    const { customerId, subscription } = await subscriber();
    const [first] = await invoicesOf(customerId, 1);
    ok(await api.post(`/v1/invoices/${first.id}/mark-paid`, {}), 200);
    ok(await api.post(`/v1/invoices/${first.id}/credit-note`, { reason: 'all of it' }), 201);
    await process(Date.parse(subscription.currentPeriodEnd) + 2 * DAY);
    const next = (await invoicesOf(customerId, 2))[1];
    expect(next).toMatchObject({
      ...{ subtotal: '500', credits: '0', tax: '95', total: '595' },
      ...{ status: 'paid', amountPaid: '595', amountDue: '0', amountOverpaid: '0' },
    });
    const { payments } = ok(await api.get(`/v1/invoices/${next.id}/payments`), 200);
    expect(payments).toMatchObject([{ provider: 'balance', amount: '595' }]);
    expect((await api.get(`/v1/invoices/${next.id}/pdf`)).status).toBe(200);
  });

  test('is given up', async () => {
    const { act } = await one();
    expect(ok(await act('mark-uncollectible', { reason: 'insolvent' }), 200).status).toBe('uncollectible');
  });

  test('says what is wrong with a request', async () => {
    const { act } = await one();
    expectProblem(await api.get('/v1/invoices/none'), 404, 'not_found');
    expectProblem(await api.post('/v1/invoices/none/void', { reason: 'x' }), 404, 'not_found');
    expectProblem(await act('void'), 422, 'validation_failed', ['/reason']);
    const lines = [{ lineId: '9', amount: '1.5' }];
    expectProblem(await act('credit-note', { reason: 'x', lines }), 422, 'validation_failed', [
      '/lines/0/amount',
    ]);
    expectProblem(await api.get('/v1/invoices?status=open'), 400, 'invalid_query_parameter', ['?status']);
    expectProblem(await api.get('/v1/invoices/upcoming'), 400, 'invalid_query_parameter', ['?customerId']);
    expectProblem(await act('void', { reason: 'x', more: 1 }), 422, 'validation_failed', ['/more']);
  });
});
