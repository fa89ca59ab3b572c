import { describe, expect, test } from '@jest/globals';
import { CLAIM_LEASE, claimId } from '#libs/catalog';
import type { RecordedEvent } from '#libs/event-store';
import { type Problem } from '#libs/kernel';
import type { ClaimCommand } from '#libs/catalog';
import { streamName } from '#libs/event-types';
import { claims, customers } from './catalog-kinds.js';
import { MAX_AGE } from './catalog-reader.js';
import { createCustomer, updateCustomer } from './customers.handlers.js';
import {
  asked,
  catalogWorld,
  context,
  issuesOf,
  problemOf,
  tenant,
} from '../../../test/support/catalog-world.js';

const world = catalogWorld();

describe('keys and ids', () => {
  test('a key replays the first answer from the log, in another process too, and is refused with another body', async () => {
    const body = { name: 'Acme', externalCustomerId: 'user_ext_456' };
    const first = await createCustomer(world.ports, context('k1'), body);
    expect(first.document.id).toMatch(/^cus_[0-9a-z]{26}$/);
    await updateCustomer(world.ports, asked, first.document.id, { name: 'Acme Inc.' });
    const again = await createCustomer(world.openPorts(), context('k1'), body);
    expect(again).toMatchObject({
      created: true,
      replayed: true,
      document: first.document,
      position: first.position,
    });
    expect((await problemOf(createCustomer(world.ports, context('k1'), { ...body, name: 'B' }))).code).toBe(
      'idempotency_key_reused',
    );
    // an old answer does not become what is known world.now
    await createCustomer(world.ports, context('k1'), body);
    expect(world.reader.customer(tenant, first.document.id)).toMatchObject({
      attributes: { name: 'Acme Inc.' },
    });
  });

  test("the caller's id again with the same body is the document, with another the difference is named", async () => {
    const body = { id: 'cust_123', name: 'Acme', externalCustomerId: 'x' };
    expect(await createCustomer(world.ports, asked, body)).toMatchObject({ created: true });
    expect(await createCustomer(world.ports, asked, body)).toMatchObject({
      created: false,
      replayed: false,
      document: { id: 'cust_123' },
    });
    expect(await issuesOf(createCustomer(world.ports, asked, { ...body, externalCustomerId: 'y' }))).toEqual([
      '/externalCustomerId differs',
    ]);
    expect(await world.reader.customerByExternalId(tenant, 'y')).toBeNull();
    // and nothing was claimed for it
    expect(
      (await world.ports.writer.read(claims, tenant, claimId('externalCustomerId', 'y'), 0)).revision,
    ).toBe(-1);
    expect(await world.reader.customer('other', 'cust_123')).toBeNull();
  });

  test('of many that want one external id at once, exactly one gets it', async () => {
    const others = [world.ports, world.openPorts(), world.openPorts()];
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
      world.ports.writer.execute(claims, claimId('externalCustomerId', 'x'), {
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
      (await problemOf(createCustomer(world.ports, asked, { id: 'c2', name: 'A', externalCustomerId: 'x' })))
        .code,
    ).toBe('external_id_taken');
    expect(await world.reader.customerByExternalId(tenant, 'x')).toBeNull();
    world.now += CLAIM_LEASE;
    expect(
      await createCustomer(world.ports, asked, { id: 'c2', name: 'A', externalCustomerId: 'x' }),
    ).toMatchObject({ created: true });
    expect(await world.reader.customerByExternalId(tenant, 'x')).toMatchObject({ id: 'c2' });
    // whoever holds the value keeps it, however old the claim
    world.now += CLAIM_LEASE;
    // the one that crashed comes back too late
    expect(
      (await problemOf(createCustomer(world.ports, asked, { id: 'c1', name: 'A', externalCustomerId: 'x' })))
        .code,
    ).toBe('external_id_taken');
  });
});

describe('customers', () => {
  test('an external id moves with the customer and is free for others afterwards', async () => {
    await createCustomer(world.ports, asked, { id: 'c1', name: 'A', externalCustomerId: 'x', taxId: 't' });
    await createCustomer(world.ports, asked, { id: 'c2', name: 'B', externalCustomerId: 'y' });
    expect(
      (await problemOf(updateCustomer(world.ports, asked, 'c1', { externalCustomerId: 'y' }))).code,
    ).toBe('external_id_taken');
    const { document } = await updateCustomer(world.ports, asked, 'c1', {
      externalCustomerId: 'z',
      taxId: null,
    });
    expect(document.attributes).toEqual({ name: 'A', externalCustomerId: 'z' });
    expect(await world.reader.customerByExternalId(tenant, 'x')).toBeNull();
    expect(await world.reader.customerByExternalId(tenant, 'z')).toMatchObject({ id: 'c1' });
    await updateCustomer(world.ports, asked, 'c2', { externalCustomerId: 'x' });
    expect(await world.reader.customerByExternalId(tenant, 'x')).toMatchObject({ id: 'c2' });
    await updateCustomer(world.ports, asked, 'c1', { externalCustomerId: null });
    expect(await world.reader.customerByExternalId(tenant, 'z')).toBeNull();
    expect(
      (await problemOf(updateCustomer(world.ports, asked, 'c9', { externalCustomerId: 'q' }))).code,
    ).toBe('customer_not_found');
    expect(
      (await world.ports.writer.read(claims, tenant, claimId('externalCustomerId', 'q'), 0)).state.owner,
    ).toBeNull();
    expect(await issuesOf(updateCustomer(world.ports, asked, 'c1', { timezone: 'Nowhere' }))).toEqual([
      '/timezone timezone_unknown',
    ]);
  });

  test('the world.reader waits for nothing while a value is in use, and never remembers that there was none', async () => {
    const other = world.openPorts();
    expect(await other.reader.customer(tenant, 'c1')).toBeNull();
    await createCustomer(world.ports, asked, { id: 'c1', name: 'A' });
    expect(await other.reader.customer(tenant, 'c1')).not.toBeNull();
    await updateCustomer(world.ports, asked, 'c1', { name: 'B' });
    world.monotonic = MAX_AGE / 2;
    expect(other.reader.customer(tenant, 'c1')).toMatchObject({ attributes: { name: 'A' } });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(other.reader.customer(tenant, 'c1')).toMatchObject({ attributes: { name: 'B' } });
    expect((await world.ports.writer.read(customers, tenant, 'c1', 0)).revision).toBe(1);
  });

  test('what was read is as new as what was learned of since, and gone once the log tells something newer', async () => {
    const stream = streamName(customers.category, tenant, 'c1');
    const recorded = async () => (await world.eventStore.readAll(null, 1000)).events;
    const { reader: other } = world.openPorts();
    await createCustomer(world.ports, asked, { id: 'c1', name: 'A' });
    expect(await other.customer(tenant, 'c1')).toMatchObject({ attributes: { name: 'A' } });
    world.monotonic = world.learnedUpTo = 10 * MAX_AGE;
    other.learn(await recorded());
    expect(other.customer(tenant, 'c1')).toMatchObject({ attributes: { name: 'A' } });

    await updateCustomer(world.ports, asked, 'c1', { name: 'B' });
    other.learn(await recorded());
    const reading = other.customer(tenant, 'c1');
    // something newer is told of while it is read: what was read is an answer, but not kept
    other.learn([{ stream, revision: 2 } as RecordedEvent]);
    expect(await reading).toMatchObject({ attributes: { name: 'B' } });
    const again = other.customer(tenant, 'c1');
    expect(again).toBeInstanceOf(Promise);
    expect(await again).toMatchObject({ attributes: { name: 'B' } });
    expect(other.customer(tenant, 'c1')).not.toBeInstanceOf(Promise);

    // what was remembered of an own write may have been overtaken before: it is read again
    world.monotonic = world.learnedUpTo = 20 * MAX_AGE;
    expect(world.reader.customer(tenant, 'c1')).toBeInstanceOf(Promise);
  });
});
