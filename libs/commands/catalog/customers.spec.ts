import { beforeEach, describe, expect, test } from '@jest/globals';
import { CLAIM_LEASE, claimId } from '#libs/catalog';
import type { ClaimCommand } from '#libs/catalog';
import { createMemoryEventStore } from '#libs/event-store/memory';
import { Problem } from '#libs/kernel';
import { createStreamWriter } from '../stream-writer.js';
import type { CommandContext } from '../stream-kind.js';
import { claims, customers } from './catalog-kinds.js';
import { createCatalogReader, MAX_AGE } from './catalog-reader.js';
import type { CatalogReader } from './catalog-reader.js';
import type { CatalogPorts } from './catalog-writer.js';
import { createCustomer, updateCustomer } from './customers.handlers.js';

const tenant = 'acme';
let now: number;
let monotonic: number;
let eventStore: ReturnType<typeof createMemoryEventStore>;
let ports: CatalogPorts;
let reader: CatalogReader;

const context = (idempotencyKey?: string): CommandContext => ({
  tenant,
  actor: 'key',
  correlationId: 'c',
  idempotencyKey,
});
const asked = context();

/** Another process on the same log. */
function openPorts(): CatalogPorts {
  const writer = createStreamWriter({ eventStore, clock: () => now });
  let made = 0;
  return {
    writer,
    reader: createCatalogReader({ writer, monotonic: () => monotonic }),
    newId: (prefix) => `${prefix}_${++made}`,
  };
}

beforeEach(() => {
  now = Date.UTC(2026, 0, 1);
  monotonic = 0;
  eventStore = createMemoryEventStore();
  ports = openPorts();
  reader = ports.reader;
});

async function problemOf(promise: Promise<unknown>): Promise<Problem> {
  const error = await promise.then(
    () => new Error('nothing was refused'),
    (reason: unknown) => reason,
  );
  if (error instanceof Problem) return error;
  throw error;
}

const issuesOf = async (promise: Promise<unknown>): Promise<readonly string[]> =>
  ((await problemOf(promise)).errors ?? []).map(({ pointer, code }) => `${pointer} ${code}`);

describe('keys and ids', () => {
  test('a key replays the first answer from the log, in another process too, and is refused with another body', async () => {
    const body = { name: 'Acme', externalCustomerId: 'user_ext_456' };
    const first = await createCustomer(ports, context('k1'), body);
    expect(first.document.id).toMatch(/^cus_[0-9a-z]{26}$/);
    await updateCustomer(ports, asked, first.document.id, { name: 'Acme Inc.' });
    const again = await createCustomer(openPorts(), context('k1'), body);
    expect(again).toMatchObject({
      created: true,
      replayed: true,
      document: first.document,
      position: first.position,
    });
    expect((await problemOf(createCustomer(ports, context('k1'), { ...body, name: 'B' }))).code).toBe(
      'idempotency_key_reused',
    );
    // an old answer does not become what is known now
    await createCustomer(ports, context('k1'), body);
    expect(reader.customer(tenant, first.document.id)).toMatchObject({ attributes: { name: 'Acme Inc.' } });
  });

  test("the caller's id again with the same body is the document, with another the difference is named", async () => {
    const body = { id: 'cust_123', name: 'Acme', externalCustomerId: 'x' };
    expect(await createCustomer(ports, asked, body)).toMatchObject({ created: true });
    expect(await createCustomer(ports, asked, body)).toMatchObject({
      created: false,
      replayed: false,
      document: { id: 'cust_123' },
    });
    expect(await issuesOf(createCustomer(ports, asked, { ...body, externalCustomerId: 'y' }))).toEqual([
      '/externalCustomerId differs',
    ]);
    expect(await reader.customerByExternalId(tenant, 'y')).toBeNull();
    // and nothing was claimed for it
    expect((await ports.writer.read(claims, tenant, claimId('externalCustomerId', 'y'), 0)).revision).toBe(
      -1,
    );
    expect(await reader.customer('other', 'cust_123')).toBeNull();
  });

  test('of many that want one external id at once, exactly one gets it', async () => {
    const others = [ports, openPorts(), openPorts()];
    const results = await Promise.allSettled(
      Array.from({ length: 12 }, (_, index) =>
        createCustomer(others[index % 3]!, asked, { id: `c${index}`, name: 'A', externalCustomerId: 'x' }),
      ),
    );
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused.map(({ reason }) => (reason as Problem).code)).toEqual(
      Array(11).fill('external_id_taken'),
    );
  });

  test('a claim left behind by a crash passes on after the lease, and its owner comes back too late', async () => {
    const crash = (owner: string) =>
      ports.writer.execute(claims, claimId('externalCustomerId', 'x'), {
        context: asked,
        operation: 'claims.take',
        input: {},
        command: (at): ClaimCommand => ({
          type: 'Claim',
          owner,
          now: at,
          taken: { code: 'external_id_taken', detail: '' },
        }),
      });
    await crash('c1');
    expect(
      (await problemOf(createCustomer(ports, asked, { id: 'c2', name: 'A', externalCustomerId: 'x' }))).code,
    ).toBe('external_id_taken');
    expect(await reader.customerByExternalId(tenant, 'x')).toBeNull();
    now += CLAIM_LEASE;
    expect(
      await createCustomer(ports, asked, { id: 'c2', name: 'A', externalCustomerId: 'x' }),
    ).toMatchObject({ created: true });
    expect(await reader.customerByExternalId(tenant, 'x')).toMatchObject({ id: 'c2' });
    // whoever holds the value keeps it, however old the claim
    now += CLAIM_LEASE;
    // the one that crashed comes back too late
    expect(
      (await problemOf(createCustomer(ports, asked, { id: 'c1', name: 'A', externalCustomerId: 'x' }))).code,
    ).toBe('external_id_taken');
  });
});

describe('customers', () => {
  test('an external id moves with the customer and is free for others afterwards', async () => {
    await createCustomer(ports, asked, { id: 'c1', name: 'A', externalCustomerId: 'x', taxId: 't' });
    await createCustomer(ports, asked, { id: 'c2', name: 'B', externalCustomerId: 'y' });
    expect((await problemOf(updateCustomer(ports, asked, 'c1', { externalCustomerId: 'y' }))).code).toBe(
      'external_id_taken',
    );
    const { document } = await updateCustomer(ports, asked, 'c1', { externalCustomerId: 'z', taxId: null });
    expect(document.attributes).toEqual({ name: 'A', externalCustomerId: 'z' });
    expect(await reader.customerByExternalId(tenant, 'x')).toBeNull();
    expect(await reader.customerByExternalId(tenant, 'z')).toMatchObject({ id: 'c1' });
    await updateCustomer(ports, asked, 'c2', { externalCustomerId: 'x' });
    expect(await reader.customerByExternalId(tenant, 'x')).toMatchObject({ id: 'c2' });
    await updateCustomer(ports, asked, 'c1', { externalCustomerId: null });
    expect(await reader.customerByExternalId(tenant, 'z')).toBeNull();
    expect((await problemOf(updateCustomer(ports, asked, 'c9', { externalCustomerId: 'q' }))).code).toBe(
      'customer_not_found',
    );
    expect(
      (await ports.writer.read(claims, tenant, claimId('externalCustomerId', 'q'), 0)).state.owner,
    ).toBeNull();
    expect(await issuesOf(updateCustomer(ports, asked, 'c1', { timezone: 'Nowhere' }))).toEqual([
      '/timezone timezone_unknown',
    ]);
  });

  test('the reader waits for nothing while a value is in use, and never remembers that there was none', async () => {
    const other = openPorts();
    expect(await other.reader.customer(tenant, 'c1')).toBeNull();
    await createCustomer(ports, asked, { id: 'c1', name: 'A' });
    expect(await other.reader.customer(tenant, 'c1')).not.toBeNull();
    await updateCustomer(ports, asked, 'c1', { name: 'B' });
    monotonic = MAX_AGE / 2;
    expect(other.reader.customer(tenant, 'c1')).toMatchObject({ attributes: { name: 'A' } });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(other.reader.customer(tenant, 'c1')).toMatchObject({ attributes: { name: 'B' } });
    expect((await ports.writer.read(customers, tenant, 'c1', 0)).revision).toBe(1);
  });
});
