import { Inject } from '@nestjs/common';
import { Command, CommandHandler } from '@nestjs/cqrs';
import type { ICommandHandler } from '@nestjs/cqrs';
import { applyChanges, type Changes, type Customer } from '#libs/catalog';
import { issue, type Issue } from '#libs/kernel';
import { chooseId } from '../ids.js';
import type { CommandContext } from '../stream-kind.js';
import { customers } from './catalog-kinds.js';
import {
  canonicalAmount,
  CATALOG_PORTS,
  claim,
  createDocument,
  release,
  unknownReference,
  updateDocument,
} from './catalog-writer.js';
import type { CatalogPorts, DocumentWritten } from './catalog-writer.js';

/** Members as the caller sends them; null counts as left out. */
export type CustomerInput = Omit<Customer, 'taxRate'> & {
  readonly id?: string | undefined;
  readonly taxRate?: string | number | undefined;
};

/** Members to change; null unsets. */
export type CustomerChanges = Changes<Omit<CustomerInput, 'id'>>;

export class CreateCustomer extends Command<DocumentWritten<Customer>> {
  constructor(
    readonly context: CommandContext,
    readonly input: CustomerInput,
  ) {
    super();
  }
}

export class UpdateCustomer extends Command<DocumentWritten<Customer>> {
  constructor(
    readonly context: CommandContext,
    readonly id: string,
    readonly input: CustomerChanges,
  ) {
    super();
  }
}

/** Claims the external id, then writes the customer. */
export async function createCustomer(
  ports: CatalogPorts,
  context: CommandContext,
  input: CustomerInput,
): Promise<DocumentWritten<Customer>> {
  const operation = 'customers.create';
  const { id: given, ...members } = input;
  const attributes = { ...members, ...canonicalRate(input) } as Customer;
  const id = chooseId(ports.newId, 'cus', {
    given: given ?? undefined,
    tenant: context.tenant,
    operation,
    key: context.idempotencyKey,
  });
  const externalId = input.externalCustomerId ?? undefined;
  const prepare = async (): Promise<void> => {
    if (externalId !== undefined) await claimExternalId(ports, context, externalId, id);
  };
  const issues = await checkOrganization(ports, context, id, attributes);
  return createDocument(ports, customers, { context, operation, id, input, attributes, issues, prepare });
}

const canonicalRate = ({ taxRate }: CustomerChanges): Changes<Customer> =>
  taxRate == null ? {} : { taxRate: canonicalAmount(taxRate) };

/** An organisation is another customer, and no member itself. */
async function checkOrganization(
  { reader }: CatalogPorts,
  { tenant }: CommandContext,
  id: string,
  { customerOrganizationId: organizationId }: Changes<Customer>,
): Promise<readonly Issue[]> {
  if (organizationId == null) return [];
  const pointer = '/customerOrganizationId';
  const organization = await reader.customer(tenant, organizationId);
  if (!organization || organization.archivedAt !== null)
    return [unknownReference(pointer, 'customer', organizationId)];
  return organization.attributes.orgRole === 'member' || organization.id === id
    ? [issue(pointer, 'not_allowed', 'An organisation is another customer, and no member itself.')]
    : [];
}

/** Claims a new external id before the change and gives the old one back after it. */
export async function updateCustomer(
  ports: CatalogPorts,
  context: CommandContext,
  id: string,
  input: CustomerChanges,
): Promise<DocumentWritten<Customer>> {
  const operation = 'customers.update';
  const changes = { ...input, ...canonicalRate(input) } as Changes<Customer>;
  const issues = await checkOrganization(ports, context, id, changes);
  const write = (): Promise<DocumentWritten<Customer>> =>
    updateDocument(ports, customers, { context, operation, id, input, changes, issues });
  if (input.externalCustomerId === undefined) return write();

  const before = await currentAttributes(ports, context, id);
  // a customer that does not exist, or a change that is not acceptable, claims nothing: the write refuses it
  if (
    input.externalCustomerId !== null &&
    before &&
    issues.length === 0 &&
    customers.document.check(applyChanges(before, changes)).length === 0
  )
    await claimExternalId(ports, context, input.externalCustomerId, id);
  const written = await write();
  if (before?.externalCustomerId !== undefined)
    await releaseUnused(ports, context, before.externalCustomerId, id);
  return written;
}

/** Gives an external id back unless the customer, asked again, still or again has it. */
async function releaseUnused(
  ports: CatalogPorts,
  context: CommandContext,
  externalId: string,
  id: string,
): Promise<void> {
  if ((await currentAttributes(ports, context, id))?.externalCustomerId === externalId) return;
  await release(ports, context, { what: 'externalCustomerId', value: externalId, owner: id });
  // another update may have gone back to it in between
  if ((await currentAttributes(ports, context, id))?.externalCustomerId === externalId)
    await claimExternalId(ports, context, externalId, id);
}

/** Null: there is no such customer. */
async function currentAttributes(
  { writer }: CatalogPorts,
  { tenant }: CommandContext,
  id: string,
): Promise<Customer | null> {
  return (await writer.read(customers, tenant, id, 0)).state?.attributes ?? null;
}

const claimExternalId = (
  ports: CatalogPorts,
  context: CommandContext,
  externalId: string,
  id: string,
): Promise<void> =>
  claim(ports, context, {
    what: 'externalCustomerId',
    value: externalId,
    owner: id,
    taken: {
      code: 'external_id_taken',
      detail: `The external id ${JSON.stringify(externalId)} belongs to another customer.`,
    },
    holds: async (owner) =>
      (await currentAttributes(ports, context, owner))?.externalCustomerId === externalId,
  });

@CommandHandler(CreateCustomer)
export class CreateCustomerHandler implements ICommandHandler<CreateCustomer> {
  constructor(@Inject(CATALOG_PORTS) private readonly ports: CatalogPorts) {}

  execute = ({ context, input }: CreateCustomer) => createCustomer(this.ports, context, input);
}

@CommandHandler(UpdateCustomer)
export class UpdateCustomerHandler implements ICommandHandler<UpdateCustomer> {
  constructor(@Inject(CATALOG_PORTS) private readonly ports: CatalogPorts) {}

  execute = ({ context, id, input }: UpdateCustomer) => updateCustomer(this.ports, context, id, input);
}

export const customerHandlers = [CreateCustomerHandler, UpdateCustomerHandler];
