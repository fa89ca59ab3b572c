import { issue, type Issue, type StoredId } from '#libs/kernel';
import type { Attributes, Document, DocumentKind } from './document.js';

/** Text by name, as callers attach it to objects: at most 50 members. */
export type Metadata = { readonly [name: string]: string };

/** What a plan gives of a feature: a boolean, a canonical decimal string, or text, as the feature's type says. */
export type PlanFeature = {
  readonly featureId: StoredId;
  readonly value: boolean | string;
};

/**
 * One version of a plan: an object of its own. What subscribers have agreed to (features, prices, trial) never changes in
 * it; another version is made instead. What is only shown is edited in place.
 */
export type Plan = {
  readonly planName: string;
  readonly planDescription?: string | undefined;
  readonly metadata?: Metadata | undefined;
  /** Id that all versions share; absent in plans from before there were versions: their own id. */
  readonly stablePlanId?: StoredId | undefined;
  /** 1 is the first; absent: 1. */
  readonly versionNumber?: number | undefined;
  /** Why the version was made. */
  readonly commitMessage?: string | undefined;
  readonly features?: readonly PlanFeature[] | undefined;
  /** Prices of other versions that this one goes on using, at most one per currency; its own come before them. */
  readonly priceIds?: readonly StoredId[] | undefined;
  readonly isTrialPlan?: boolean | undefined;
  /** A version of the plan that a trial becomes; the newest version of that plan is what counts. */
  readonly trialParentPlanId?: StoredId | undefined;
  /** 1 to 3650. */
  readonly trialDays?: number | undefined;
  /** Absent: yes. */
  readonly isVisibleInPricingTable?: boolean | undefined;
  /** Sold by talking to somebody, not by a button. */
  readonly isEnterprisePlan?: boolean | undefined;
  readonly buttonText?: string | undefined;
  /** Where the button of an enterprise plan leads. */
  readonly enterpriseRedirectUrl?: string | undefined;
};

export const MAX_TRIAL_DAYS = 3_650;
export const MAX_PLAN_FEATURES = 500;

/** Members that another version is made for; the others are edited in place. */
export const PLAN_TERMS = [
  'features',
  'priceIds',
  'isTrialPlan',
  'trialParentPlanId',
  'trialDays',
] as const satisfies readonly (keyof Plan)[];

export const planKind: DocumentKind<Plan, 'Plan'> = {
  category: 'plan',
  name: 'Plan',
  immutable: ['stablePlanId', 'versionNumber', ...PLAN_TERMS],
  missing: 'not_found',
  check: (plan) => [...checkTrial(plan), ...checkEnterprise(plan), ...checkLists(plan)],
  present: (document) => ({ ...versionOf(document), isActive: document.archivedAt === null }),
};

/** Which version of which plan a document is: one from before there were versions is the first of its own. */
export const versionOf = ({
  id,
  attributes: { stablePlanId = id, versionNumber = 1 },
}: Pick<Document<Plan>, 'id' | 'attributes'>): {
  readonly stablePlanId: string;
  readonly versionNumber: number;
} => ({ stablePlanId, versionNumber });

function checkTrial(plan: Plan): readonly Issue[] {
  const issues: Issue[] = [];
  for (const member of ['trialParentPlanId', 'trialDays'] as const)
    if (plan.isTrialPlan === true && plan[member] === undefined)
      issues.push(issue(`/${member}`, 'required', `A trial plan needs ${member}.`));
    else if (plan.isTrialPlan !== true && plan[member] !== undefined)
      issues.push(issue(`/${member}`, 'not_applicable', `Only a trial plan has ${member}.`));
  const { trialDays } = plan;
  if (
    trialDays !== undefined &&
    !(Number.isInteger(trialDays) && trialDays >= 1 && trialDays <= MAX_TRIAL_DAYS)
  )
    issues.push(issue('/trialDays', 'out_of_range', `trialDays must be 1 to ${MAX_TRIAL_DAYS}.`));
  return issues;
}

function checkEnterprise({ isEnterprisePlan, enterpriseRedirectUrl: url }: Plan): readonly Issue[] {
  if (url === undefined) return [];
  if (isEnterprisePlan !== true)
    return [issue('/enterpriseRedirectUrl', 'not_applicable', 'Only an enterprise plan leads elsewhere.')];
  return /^https?:\/\//i.test(url) && URL.canParse(url)
    ? []
    : [issue('/enterpriseRedirectUrl', 'url_invalid', 'enterpriseRedirectUrl must be an http or https URL.')];
}

function checkLists({ features = [], priceIds = [] }: Plan): readonly Issue[] {
  const issues: Issue[] = [];
  if (features.length > MAX_PLAN_FEATURES)
    issues.push(issue('/features', 'out_of_range', `A plan has at most ${MAX_PLAN_FEATURES} features.`));
  const lists: Attributes = { features: features.map(({ featureId }) => featureId), priceIds };
  for (const [member, ids] of Object.entries(lists) as [string, readonly string[]][])
    for (const [index, id] of ids.entries())
      if (ids.indexOf(id) < index)
        issues.push(issue(`/${member}/${index}`, 'duplicate', `${JSON.stringify(id)} stands twice.`));
  return issues;
}
