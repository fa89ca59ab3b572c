import { Problem, type Instant, type Json } from '#libs/kernel';
import type { EventStore } from '#libs/event-store';
import { claimId, type ClaimCommand, type Customer, type Document } from '#libs/catalog';
import { claims } from '../catalog/catalog-kinds.js';
import type { CatalogReader } from '../catalog/catalog-reader.js';
import type { NewId } from '../ids.js';
import type { CommandContext, StreamWriter } from '../stream-kind.js';
import type { AccountKind } from './account.js';

/** What the commands on credit accounts work with. */
export interface CreditsDeps {
  readonly writer: StreamWriter;
  /** To read recorded facts back; nothing is appended but through the writer. */
  readonly eventStore: EventStore;
  readonly catalog: CatalogReader;
  readonly newId: NewId;
  readonly account: AccountKind;
  /** The environment's now. */
  readonly now: (tenant: string) => Instant;
  /** Milliseconds by which the recording of expiries is delayed. */
  readonly expiryGrace: number;
  /** How far back (ms) usage is accepted. */
  readonly maxEventAge: number;
  /** The customer that holds a grant, looked up as of now; null when no grant has this id. */
  readonly locateGrant: (tenant: string, grantId: string) => Promise<{ customerId: string } | null>;
  /** The account in whose stream a hold was placed, a consumption recorded or a series begun, and at which revision. */
  readonly locateHold: Locate;
  readonly locateConsumption: Locate;
  readonly locateSeries: Locate;
  /** Consumptions that usage of a meter made, the newest first. */
  readonly drawnByMeter: (
    tenant: string,
    customerId: string,
    meterId: string,
    limit: number,
  ) => Promise<readonly { readonly consumptionId: string; readonly revision: number }[]>;
  /** Records what time has made due on the subscriptions that renew an account's grants: before the account is used. */
  readonly settleBilling: (tenant: string, customerId: string) => Promise<void>;
  /** Customers of the tenant with something due at an instant, a page of them after `after`, in order of their ids. */
  readonly customersDue: (tenant: string, at: Instant, after: string | null) => Promise<readonly string[]>;
}

/** Looked up as of now; null when nothing has this id. */
export type Locate = (
  tenant: string,
  id: string,
) => Promise<{ readonly customerId: string; readonly revision: number } | null>;

export interface CustomerRef {
  readonly id: string;
  /** The id is the caller's own (`externalCustomerId`). */
  readonly external: boolean;
}

/** Makes an id of the caller's own unique in the tenant. @throws Problem `already_exists` when another customer has it */
export async function claimOwnId(
  { writer }: CreditsDeps,
  context: CommandContext,
  what: 'grant' | 'hold',
  id: string,
  customerId: string,
): Promise<void> {
  await writer.execute(claims, claimId(what, id), {
    context: { ...context, idempotencyKey: undefined },
    operation: `${what}s.claim`,
    input: {},
    command: (now): ClaimCommand => ({
      type: 'Claim',
      owner: customerId,
      now,
      taken: { code: 'already_exists', detail: `There is a ${what} ${id} of another customer.` },
    }),
  });
}

/**
 * Remembers which events came under the key of a batch, whose events have keys of their own.
 * @throws Problem `idempotency_key_reused` when they were others
 */
export async function claimBatch(
  { writer }: CreditsDeps,
  context: CommandContext,
  key: string,
  events: readonly Json[],
): Promise<void> {
  await writer.execute(claims, claimId('eventBatch', key), {
    context,
    operation: 'events.batch',
    input: { events },
    command: (now): ClaimCommand => ({
      type: 'Claim',
      owner: 'events',
      now,
      taken: { code: 'conflict', detail: 'This batch was claimed for something else.' },
    }),
  });
}

/** @throws Problem `customer_not_found` */
export async function resolveCustomer(
  { catalog }: Pick<CreditsDeps, 'catalog'>,
  tenant: string,
  { id, external }: CustomerRef,
): Promise<Document<Customer>> {
  const customer = await (external ? catalog.customerByExternalId(tenant, id) : catalog.customer(tenant, id));
  if (!customer) throw new Problem('customer_not_found', `There is no customer ${JSON.stringify(id)}.`);
  return customer;
}

/**
 * A request that was answered once is answered so again, whatever has become of what it names. So what speaks against a
 * request that may be a repeated one is kept until its command runs: the writer has looked for its key by then.
 * @returns a command that throws the Problem. @throws the error when the request cannot be a repeated one
 */
export function refuseLater(repeatable: boolean, error: unknown): () => never {
  if (!repeatable || !(error instanceof Problem)) throw error;
  return () => {
    throw error;
  };
}
