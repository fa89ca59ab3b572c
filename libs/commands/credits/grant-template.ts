import { issue, Problem, type Issue } from '#libs/kernel';
import { renews, withoutUnset, type CreditDefinition } from '#libs/catalog';
import type { Applicability, GrantLinks, GrantScope } from '#libs/credits';
import { unacceptable } from './amounts.js';
import type { CreditsDeps } from './deps.js';
import type { GrantRequest, Template } from './grant-request.js';
import { adHocRenewal } from './renewal-terms.js';

/** What a grant is made from, every reference looked up. @throws Problem listing what is not acceptable */
export async function templateOf(
  deps: CreditsDeps,
  tenant: string,
  request: GrantRequest,
): Promise<Template> {
  return request.creditDefinitionId === undefined
    ? adHocTemplate(deps, tenant, request)
    : definitionTemplate(deps, tenant, request, request.creditDefinitionId);
}

const AD_HOC_ONLY = ['unit', 'amount', 'accessSchedule', 'applicability', 'renewal'] as const;

async function definitionTemplate(
  deps: CreditsDeps,
  tenant: string,
  request: GrantRequest,
  definitionId: string,
): Promise<Template> {
  const misplaced = AD_HOC_ONLY.filter((member) => request[member] !== undefined);
  if (misplaced.length > 0)
    throw unacceptable(
      misplaced.map((member) => issue(`/${member}`, 'not_with_definition', 'comes from the definition')),
    );
  const definition = await deps.catalog.definition(tenant, definitionId);
  if (!definition)
    throw unacceptable([
      issue('/creditDefinitionId', 'unknown_reference', `no definition ${JSON.stringify(definitionId)}`),
    ]);
  const { attributes } = definition;
  if (!attributes.isActive)
    throw new Problem('definition_inactive', `The definition ${definitionId} is inactive.`);
  return {
    unit: (await deps.catalog.unit(tenant, attributes.unit))!,
    amount: request.initialAmount ?? attributes.defaultAmount,
    pointer: '/initialAmount',
    priority: attributes.priority,
    ...(attributes.expiryDays === undefined ? {} : { expiryDays: attributes.expiryDays }),
    ...(renews(attributes)
      ? {
          renewal: {
            terms: attributes,
            refillAmount: attributes.refillAmount ?? attributes.defaultAmount,
            pointer: '/creditDefinitionId',
          },
        }
      : {}),
    attributes: {
      definitionId,
      applicationType: attributes.applicationType,
      scope: attributes.applicationType === 'monetary' ? attributes.scope : 'merchant',
      name: attributes.name,
      ...((attributes.billingDescription ?? attributes.description)
        ? { description: attributes.billingDescription ?? attributes.description! }
        : {}),
      billingVisible: attributes.billingVisible,
      links: linksOf(attributes),
      ...withApplicability(definitionApplicability(attributes)),
    },
  };
}

const linksOf = ({
  planId,
  featureId,
  featureSlug,
  priceId,
  priceComponentId,
}: CreditDefinition): GrantLinks =>
  withoutUnset({ planId, featureId, featureSlug, priceId, priceComponentId });

/** The definition's link is what its grants apply to. */
function definitionApplicability({
  applicationType,
  featureSlug,
  priceId,
  priceComponentId,
  linkedMeters,
}: CreditDefinition): Applicability {
  const byPrice = priceId !== undefined && priceComponentId === undefined && featureSlug === undefined;
  return {
    ...(featureSlug === undefined ? {} : { features: [featureSlug] }),
    ...(priceComponentId === undefined ? {} : { components: [priceComponentId] }),
    ...(byPrice ? { prices: [priceId] } : {}),
    ...(applicationType === 'usage' && linkedMeters.length > 0 ? { meters: linkedMeters } : {}),
  };
}

async function adHocTemplate(deps: CreditsDeps, tenant: string, request: GrantRequest): Promise<Template> {
  const issues: Issue[] = [];
  if (request.unit === undefined)
    issues.push(issue('/unit', 'required', 'a grant without creditDefinitionId needs its unit'));
  if ((request.amount === undefined) === (request.accessSchedule === undefined))
    issues.push(issue('/amount', 'required', 'exactly one of amount and accessSchedule is needed'));
  if (request.initialAmount !== undefined)
    issues.push(issue('/initialAmount', 'not_without_definition', 'an ad hoc grant has an amount'));
  const unit = request.unit === undefined ? null : await deps.catalog.unit(tenant, request.unit);
  if (request.unit !== undefined && !unit)
    issues.push(issue('/unit', 'unknown_reference', `no unit ${JSON.stringify(request.unit)}`));
  const { specifiers, products, productTags } = request.applicability ?? {};
  if (specifiers?.length && (products?.length || productTags?.length))
    issues.push(issue('/applicability/specifiers', 'exclusive', 'not together with products or productTags'));
  const renewal = adHocRenewal(request, unit, issues);
  const meters = await metersOf(deps, tenant, request.applicability, issues);
  if (issues.length > 0 || !unit) throw unacceptable(issues);
  return {
    unit,
    amount: request.amount,
    pointer: '/amount',
    ...(renewal ? { renewal } : {}),
    ...(renewal?.terms.expiryDays === undefined ? {} : { expiryDays: renewal.terms.expiryDays }),
    attributes: {
      ...(unit.attributes.kind === 'monetary'
        ? { applicationType: 'monetary' as const }
        : { applicationType: 'usage' as const }),
      scope: 'merchant' satisfies GrantScope,
      ...withApplicability({ ...request.applicability, ...(meters.length === 0 ? {} : { meters }) }),
    },
  };
}

/** The meters behind the features and components an ad hoc grant names: their usage may draw on it. */
async function metersOf(
  { catalog }: CreditsDeps,
  tenant: string,
  applicability: GrantRequest['applicability'],
  issues: Issue[],
): Promise<string[]> {
  const meters = new Set<string>();
  for (const [index, slug] of (applicability?.features ?? []).entries()) {
    const feature = await catalog.featureBySlug(tenant, slug);
    if (!feature)
      issues.push(
        issue(`/applicability/features/${index}`, 'unknown_reference', `no feature ${JSON.stringify(slug)}`),
      );
    else if (feature.attributes.meterId !== undefined) meters.add(feature.attributes.meterId);
  }
  for (const [index, id] of (applicability?.components ?? []).entries()) {
    const component = await catalog.component(tenant, id);
    if (!component)
      issues.push(
        issue(
          `/applicability/components/${index}`,
          'unknown_reference',
          `no component ${JSON.stringify(id)}`,
        ),
      );
    else if (component.component.metric_id !== undefined) meters.add(component.component.metric_id);
  }
  return [...meters];
}

const withApplicability = (applicability: Applicability): { applicability?: Applicability } =>
  Object.keys(applicability).length === 0 ? {} : { applicability };
