import { Inject } from '@nestjs/common';
import { Command, CommandHandler } from '@nestjs/cqrs';
import type { ICommandHandler } from '@nestjs/cqrs';
import { canonicalMatcher, withoutUnset } from '#libs/catalog';
import type { Changes, EnrollmentRule, PlanConfig, PricingTable } from '#libs/catalog';
import { issue } from '#libs/kernel';
import type { Issue } from '#libs/kernel';
import { chooseId } from '../ids.js';
import type { CommandContext } from '../stream-kind.js';
import { enrollmentRules, pricingTables } from './catalog-kinds.js';
import {
  archiveDocument,
  CATALOG_PORTS,
  claim,
  createDocument,
  unknownReference,
  updateDocument,
} from './catalog-writer.js';
import type { CatalogPorts, DocumentWritten } from './catalog-writer.js';

/** Members as the caller sends them; null counts as left out. */
export type PricingTableInput = Omit<PricingTable, 'isActive'> & { readonly isActive?: boolean | undefined };
/** Members to change; null unsets. The slug cannot change. */
export type PricingTableChanges = Changes<PricingTableInput>;
export type EnrollmentRuleInput = EnrollmentRule;

export class CreatePricingTable extends Command<DocumentWritten<PricingTable>> {
  constructor(
    readonly context: CommandContext,
    readonly input: PricingTableInput,
  ) {
    super();
  }
}

export class UpdatePricingTable extends Command<DocumentWritten<PricingTable>> {
  constructor(
    readonly context: CommandContext,
    readonly id: string,
    readonly input: PricingTableChanges,
  ) {
    super();
  }
}

export class ArchivePricingTable extends Command<DocumentWritten<PricingTable>> {
  constructor(
    readonly context: CommandContext,
    readonly id: string,
  ) {
    super();
  }
}

export class CreateEnrollmentRule extends Command<DocumentWritten<EnrollmentRule>> {
  constructor(
    readonly context: CommandContext,
    readonly input: EnrollmentRuleInput,
  ) {
    super();
  }
}

export class ArchiveEnrollmentRule extends Command<DocumentWritten<EnrollmentRule>> {
  constructor(
    readonly context: CommandContext,
    readonly id: string,
  ) {
    super();
  }
}

/** Claims the slug, then writes the table. */
export async function createPricingTable(
  ports: CatalogPorts,
  context: CommandContext,
  input: PricingTableInput,
): Promise<DocumentWritten<PricingTable>> {
  const { tenant } = context;
  const operation = 'pricing-tables.create';
  const id = chooseId(ports.newId, 'ptab', { tenant, operation, key: context.idempotencyKey });
  const attributes: PricingTable = { ...input, ...canonicalConfigs(input), isActive: input.isActive ?? true };
  const issues = await checkTablePlans(ports, tenant, input);
  const { slug } = input;
  const prepare = (): Promise<void> =>
    claim(ports, context, {
      what: 'pricingTableSlug',
      value: slug,
      owner: id,
      taken: { code: 'slug_taken', detail: `Another pricing table has the slug ${JSON.stringify(slug)}.` },
      holds: async (owner) =>
        (await ports.writer.read(pricingTables, tenant, owner, 0)).state?.attributes.slug === slug,
    });
  return createDocument(ports, pricingTables, { context, operation, id, input, attributes, issues, prepare });
}

export async function updatePricingTable(
  ports: CatalogPorts,
  context: CommandContext,
  id: string,
  input: PricingTableChanges,
): Promise<DocumentWritten<PricingTable>> {
  const issues = await checkTablePlans(ports, context.tenant, input);
  const changes = { ...input, ...canonicalConfigs(input) };
  const operation = 'pricing-tables.update';
  return updateDocument(ports, pricingTables, { context, operation, id, input, changes, issues });
}

const canonicalConfigs = ({
  planConfigs,
}: PricingTableChanges): { readonly planConfigs?: readonly PlanConfig[] } =>
  planConfigs ? { planConfigs: planConfigs.map((config) => withoutUnset(config)) } : {};

/** A trial is shown with the plan that it becomes, not by itself. */
async function checkTablePlans(
  { reader }: CatalogPorts,
  tenant: string,
  { planIds }: PricingTableChanges,
): Promise<readonly Issue[]> {
  const issues: Issue[] = [];
  for (const [index, planId] of (planIds ?? []).entries()) {
    const plan = await reader.plan(tenant, planId);
    if (!plan) issues.push(unknownReference(`/planIds/${index}`, 'plan', planId));
    else if (plan.attributes.isTrialPlan)
      issues.push(issue(`/planIds/${index}`, 'plan_is_trial', 'A trial is shown with the plan it becomes.'));
  }
  return issues;
}

export async function createEnrollmentRule(
  ports: CatalogPorts,
  context: CommandContext,
  input: EnrollmentRuleInput,
): Promise<DocumentWritten<EnrollmentRule>> {
  const { tenant } = context;
  const operation = 'enrollment-rules.create';
  const id = chooseId(ports.newId, 'erul', { tenant, operation, key: context.idempotencyKey });
  const { planId, matcherType } = input;
  const attributes = { ...input, matcherValue: canonicalMatcher(matcherType, input.matcherValue) };
  const known = await ports.reader.plan(tenant, planId);
  const issues = known ? [] : [unknownReference('/planId', 'plan', planId)];
  return createDocument(ports, enrollmentRules, { context, operation, id, input, attributes, issues });
}

@CommandHandler(CreatePricingTable)
export class CreatePricingTableHandler implements ICommandHandler<CreatePricingTable> {
  constructor(@Inject(CATALOG_PORTS) private readonly ports: CatalogPorts) {}

  execute = ({ context, input }: CreatePricingTable) => createPricingTable(this.ports, context, input);
}

@CommandHandler(UpdatePricingTable)
export class UpdatePricingTableHandler implements ICommandHandler<UpdatePricingTable> {
  constructor(@Inject(CATALOG_PORTS) private readonly ports: CatalogPorts) {}

  execute = ({ context, id, input }: UpdatePricingTable) =>
    updatePricingTable(this.ports, context, id, input);
}

@CommandHandler(ArchivePricingTable)
export class ArchivePricingTableHandler implements ICommandHandler<ArchivePricingTable> {
  constructor(@Inject(CATALOG_PORTS) private readonly ports: CatalogPorts) {}

  execute = ({ context, id }: ArchivePricingTable) =>
    archiveDocument(this.ports, pricingTables, { context, operation: 'pricing-tables.archive', id });
}

@CommandHandler(CreateEnrollmentRule)
export class CreateEnrollmentRuleHandler implements ICommandHandler<CreateEnrollmentRule> {
  constructor(@Inject(CATALOG_PORTS) private readonly ports: CatalogPorts) {}

  execute = ({ context, input }: CreateEnrollmentRule) => createEnrollmentRule(this.ports, context, input);
}

@CommandHandler(ArchiveEnrollmentRule)
export class ArchiveEnrollmentRuleHandler implements ICommandHandler<ArchiveEnrollmentRule> {
  constructor(@Inject(CATALOG_PORTS) private readonly ports: CatalogPorts) {}

  execute = ({ context, id }: ArchiveEnrollmentRule) =>
    archiveDocument(this.ports, enrollmentRules, { context, operation: 'enrollment-rules.archive', id });
}

export const offerHandlers = [
  CreatePricingTableHandler,
  UpdatePricingTableHandler,
  ArchivePricingTableHandler,
  CreateEnrollmentRuleHandler,
  ArchiveEnrollmentRuleHandler,
];
