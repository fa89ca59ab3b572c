import { Inject } from '@nestjs/common';
import { Command, CommandHandler } from '@nestjs/cqrs';
import type { ICommandHandler } from '@nestjs/cqrs';
import { readRecurrenceRule } from '#libs/calendar';
import { DEFINITION_DEFAULTS, withoutUnset } from '#libs/catalog';
import type { Changes, CreditDefinition, Rollover } from '#libs/catalog';
import { Problem } from '#libs/kernel';
import type { Issue } from '#libs/kernel';
import { chooseId } from '../ids.js';
import type { CommandContext } from '../stream-kind.js';
import { creditDefinitions } from './catalog-kinds.js';
import { canonicalAmount, CATALOG_PORTS, createDocument, updateDocument } from './catalog-writer.js';
import type { CatalogPorts, DocumentWritten } from './catalog-writer.js';
import { checkPrecision, resolveLinks } from './definition-links.js';

type Derived = 'unit' | 'linkedMeters';
type Amounts = 'defaultAmount' | 'refillAmount';

/** Members as the caller sends them; null counts as left out. */
export type DefinitionInput = Omit<
  CreditDefinition,
  Derived | Amounts | 'rollover' | 'renewOnBilling' | 'billingVisible' | 'priority' | 'isActive'
> &
  Partial<Pick<CreditDefinition, 'renewOnBilling' | 'billingVisible' | 'priority' | 'isActive'>> & {
    readonly id?: string | undefined;
    readonly defaultAmount: string | number;
    readonly refillAmount?: string | number | undefined;
    readonly rollover?: RolloverInput | undefined;
  };

/** What is carried over, as the caller sends it; null counts as left out. */
export type RolloverInput = {
  readonly policy: Rollover['policy'];
  readonly upTo?: string | number | null | undefined;
  readonly fraction?: string | number | null | undefined;
};

/** Members to change; null unsets. Those that cannot change are refused when they differ. */
export type DefinitionChanges = Changes<Omit<DefinitionInput, 'id'>>;

export class CreateCreditDefinition extends Command<DocumentWritten<CreditDefinition>> {
  constructor(
    readonly context: CommandContext,
    readonly input: DefinitionInput,
  ) {
    super();
  }
}

export class UpdateCreditDefinition extends Command<DocumentWritten<CreditDefinition>> {
  constructor(
    readonly context: CommandContext,
    readonly id: string,
    readonly input: DefinitionChanges,
  ) {
    super();
  }
}

export async function createDefinition(
  ports: CatalogPorts,
  context: CommandContext,
  input: DefinitionInput,
): Promise<DocumentWritten<CreditDefinition>> {
  const { tenant } = context;
  const operation = 'definitions.create';
  const { id: given, ...members } = withoutUnset(input);
  const id = chooseId(ports.newId, 'cd', { given, tenant, operation, key: context.idempotencyKey });
  const canonical = { ...DEFINITION_DEFAULTS, ...members, ...canonicalMembers(members) } as Omit<
    CreditDefinition,
    Derived
  >;
  const { issues, links, linkedMeters, unit } = await resolveLinks(ports.reader, tenant, canonical);
  const attributes: CreditDefinition = { ...canonical, ...links, unit: unit?.id ?? '', linkedMeters };
  const precision = unit ? checkPrecision(amountsOf(canonical), unit.attributes.scale) : [];
  return createDocument(ports, creditDefinitions, {
    context,
    operation,
    id,
    input,
    attributes,
    issues: [...issues, ...precision],
  });
}

export async function updateDefinition(
  ports: CatalogPorts,
  context: CommandContext,
  id: string,
  input: DefinitionChanges,
): Promise<DocumentWritten<CreditDefinition>> {
  const { tenant } = context;
  const { state } = await ports.writer.read(creditDefinitions, tenant, id, 0);
  if (!state) throw new Problem('not_found', `No credit definition ${JSON.stringify(id)} exists.`);
  const wanted = { ...input, ...canonicalMembers(input) } as Changes<CreditDefinition>;
  const base = forgetReplacedLinks(state.attributes, wanted);
  const candidate = withoutUnset({ ...base, ...wanted }) as CreditDefinition;
  const { issues, links, linkedMeters, unit } = await resolveLinks(ports.reader, tenant, candidate);
  const found: Issue[] = [...issues];
  if (unit && unit.id !== state.attributes.unit)
    found.push({
      pointer:
        wanted.priceComponentId != null
          ? '/priceComponentId'
          : wanted.priceId != null
            ? '/priceId'
            : '/featureSlug',
      code: 'unit_mismatch',
      message: `A definition stays in its unit, ${state.attributes.unit}; the link counts ${unit.id}. Create another definition.`,
    });
  if (unit) found.push(...checkPrecision(amountsOf(candidate), unit.attributes.scale));
  // what the new links complete, and what they leave unset
  const completed = Object.fromEntries(
    Object.entries(links).map(([member, value]) => [member, value ?? null]),
  );
  return updateDocument(ports, creditDefinitions, {
    context,
    operation: 'definitions.update',
    id,
    input,
    changes: { ...wanted, ...completed, linkedMeters },
    issues: found,
  });
}

/** One name of a feature replaces both; a component alone brings its own price. */
function forgetReplacedLinks(
  attributes: CreditDefinition,
  wanted: Changes<CreditDefinition>,
): Partial<CreditDefinition> {
  const forgotten: Partial<Record<keyof CreditDefinition, undefined>> = {};
  if (wanted.featureId !== undefined || wanted.featureSlug !== undefined)
    Object.assign(forgotten, { featureId: undefined, featureSlug: undefined });
  if (wanted.priceComponentId != null && wanted.priceId === undefined) forgotten.priceId = undefined;
  return { ...attributes, ...forgotten };
}

const amountsOf = ({
  defaultAmount,
  refillAmount,
  rollover,
}: Pick<CreditDefinition, Amounts | 'rollover'>) => ({
  defaultAmount,
  refillAmount,
  'rollover/upTo': rollover?.upTo,
});

/** The amounts in canonical form; members that are not set are left out. */
export const canonicalRollover = ({ policy, upTo, fraction }: RolloverInput): Rollover => ({
  policy,
  ...(upTo == null ? {} : { upTo: canonicalAmount(upTo) }),
  ...(fraction == null ? {} : { fraction: canonicalAmount(fraction) }),
});

/** The rule in canonical form; what cannot be read is left for the rules to name. */
export function canonicalRule(text: string): string {
  const rule = readRecurrenceRule(text);
  return 'canonical' in rule ? rule.canonical : text;
}

/** Amounts and the rule in canonical form; what cannot be read is left for the rules to name. */
function canonicalMembers(input: DefinitionChanges): { readonly [member: string]: string | Rollover } {
  const members: Record<string, string | Rollover> = {};
  if (input.defaultAmount != null) members['defaultAmount'] = canonicalAmount(input.defaultAmount);
  if (input.refillAmount != null) members['refillAmount'] = canonicalAmount(input.refillAmount);
  if (input.refillRrule != null) members['refillRrule'] = canonicalRule(input.refillRrule);
  if (input.rollover != null) members['rollover'] = canonicalRollover(input.rollover);
  return members;
}

@CommandHandler(CreateCreditDefinition)
export class CreateCreditDefinitionHandler implements ICommandHandler<CreateCreditDefinition> {
  constructor(@Inject(CATALOG_PORTS) private readonly ports: CatalogPorts) {}

  execute = ({ context, input }: CreateCreditDefinition) => createDefinition(this.ports, context, input);
}

@CommandHandler(UpdateCreditDefinition)
export class UpdateCreditDefinitionHandler implements ICommandHandler<UpdateCreditDefinition> {
  constructor(@Inject(CATALOG_PORTS) private readonly ports: CatalogPorts) {}

  execute = ({ context, id, input }: UpdateCreditDefinition) =>
    updateDefinition(this.ports, context, id, input);
}

export const definitionHandlers = [CreateCreditDefinitionHandler, UpdateCreditDefinitionHandler];
