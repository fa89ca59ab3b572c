import { Controller, Get, Inject, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiSecurity, ApiTags } from '@nestjs/swagger';
import { inDisplayOrder } from '#libs/catalog';
import type { Attributes, CreditDefinition, Plan, PlanConfig, PricingTable } from '#libs/catalog';
import { formatAmount, Problem, readAmount } from '#libs/kernel';
import { ForKeys } from '../auth.js';
import { Read } from '../http/caller.js';
import type { ReadCall } from '../http/caller.js';
import { answerRead } from '../http/idempotency.js';
import { minPositionOf, ReadQuery } from '../http/pagination.js';
import { CATALOG_QUERIES } from './catalog-queries.js';
import type { CatalogQueries } from './catalog-queries.js';
import { PublicPricingTableAnswer } from './offers.dto.js';
import { allOf, answerPlans, type PlanRow } from './plan-answers.js';

type ShownPlan = PlanRow & Plan & { readonly versionNumber: number; readonly isFree: boolean };
type Feature = Attributes & { readonly featureId: string };

@ApiTags('Pricing tables')
@ForKeys('publishable', 'secret')
@Controller('v1/public/pricing-tables')
export class PublicPricingTablesController {
  constructor(@Inject(CATALOG_QUERIES) private readonly queries: CatalogQueries) {}

  @Get(':slug')
  @ApiSecurity('publishable')
  @ApiOperation({
    summary: 'Read an active pricing table by its slug, with everything a page shows',
    description: 'With a publishable key, as `X-Lumen-Key` or as a bearer.',
  })
  @ApiOkResponse({ type: PublicPricingTableAnswer })
  async get(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('slug') slug: string) {
    const { tenant, request, reply } = call;
    const page = { limit: 1, cursor: null, minPosition: minPositionOf(request, query) };
    const filters = { slug, archived: 'false' };
    const { data, position } = await this.queries.list(tenant, 'pricingTable', filters, page);
    const table = data[0] as (Attributes & PricingTable) | undefined;
    if (!table?.isActive) throw new Problem('not_found', `No pricing table ${JSON.stringify(slug)} exists.`);
    answerRead(reply, position);
    const { name, heading, subheading } = table;
    return { slug, name, heading, subheading, plans: await this.plansOf(tenant, table) };
  }

  /** The newest version of each plan that may be shown, in order. */
  private async plansOf(tenant: string, table: PricingTable): Promise<readonly Attributes[]> {
    const configs = inDisplayOrder(table);
    const named = await allOf<PlanRow>(this.queries, tenant, 'plan', { id: table.planIds });
    const stablePlanId = [...new Set(named.map((plan) => plan.stablePlanId))];
    const versions = await allOf<PlanRow>(this.queries, tenant, 'plan', { stablePlanId });
    const newest = await allOf<PlanRow>(this.queries, tenant, 'plan', { stablePlanId, newest: 'true' });
    const definitions = await allOf<CreditDefinition>(this.queries, tenant, 'creditDefinition', {
      scope: 'plan',
      applicationType: 'usage',
      planId: versions.map(({ id }) => id),
    });
    const grantedWith = (stable: string): readonly CreditDefinition[] => {
      const ids = versions.filter((version) => version.stablePlanId === stable).map(({ id }) => id);
      return definitions.filter(
        ({ planId, isActive }) => isActive && planId !== undefined && ids.includes(planId),
      );
    };
    const listed = newest.map((plan) => withGranted(plan, grantedWith(plan.stablePlanId)));
    const includes = { features: true, prices: true, trials: true };
    const shown = (await answerPlans(this.queries, tenant, listed, includes)) as readonly ShownPlan[];
    return configs.flatMap((config) => {
      const stable = named.find(({ id }) => id === config.planId)?.stablePlanId;
      const plan = shown.find((candidate) => candidate.stablePlanId === stable);
      if (!plan || plan.isVisibleInPricingTable === false) return [];
      return [publicPlan(plan, config, grantedWith(plan.stablePlanId))];
    });
  }
}

/** A plan with every feature that it grants credit for, whether or not it lists it. */
function withGranted(plan: PlanRow, granted: readonly CreditDefinition[]): PlanRow {
  const { features = [] } = plan;
  const more = new Set(granted.flatMap(({ featureId }) => featureId ?? []));
  for (const { featureId } of features) more.delete(featureId);
  return { ...plan, features: [...features, ...[...more].map((featureId) => ({ featureId }))] };
}

function publicPlan(plan: ShownPlan, config: PlanConfig, granted: readonly CreditDefinition[]): Attributes {
  const { displayOrder, isPopular, popularText, buttonOutline } = config;
  const { id, stablePlanId, versionNumber, planName, planDescription, isFree, features = [] } = plan;
  return {
    planId: id,
    stablePlanId,
    versionNumber,
    planName,
    planDescription,
    isFree,
    isEnterprisePlan: plan.isEnterprisePlan,
    enterpriseRedirectUrl: plan.enterpriseRedirectUrl,
    displayOrder,
    isPopular,
    popularText,
    buttonText: config.buttonText ?? plan.buttonText,
    buttonOutline,
    prices: plan['prices'],
    features: (features as readonly Feature[]).map((feature) => ({
      ...feature,
      creditAmount: creditOf(granted.filter(({ featureId }) => featureId === feature.featureId)),
    })),
    trial: (plan['trials'] as readonly Attributes[])[0] ?? null,
  };
}

/** What all definitions of a feature grant; undefined where there is none. */
const creditOf = (definitions: readonly CreditDefinition[]): string | undefined =>
  definitions.length === 0
    ? undefined
    : formatAmount(definitions.reduce((sum, { defaultAmount }) => sum + readAmount(defaultAmount), 0n));
