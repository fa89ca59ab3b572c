/**
 * Which usage a grant may pay for. Every member that is named must admit the usage, with one exception: features,
 * components, prices, products and product tags are alternatives, one hit among them is enough. Nothing named admits everything.
 */
export interface Applicability {
  /** Slugs. */
  readonly features?: readonly string[];
  readonly components?: readonly string[];
  readonly prices?: readonly string[];
  readonly products?: readonly string[];
  readonly productTags?: readonly string[];
  /** Meters of the features and components named above, as they were when the grant was issued. */
  readonly meters?: readonly string[];
  /** Any one of these; not together with products or product tags. */
  readonly specifiers?: readonly Specifier[];
  readonly contracts?: readonly string[];
  readonly subscriptions?: readonly string[];
  /** Only usage that a meter counted. */
  readonly meteredOnly?: boolean;
}

/** All conditions inside one specifier must hold. */
export interface Specifier {
  readonly productId?: string;
  /** The usage must carry all of them. */
  readonly productTags?: readonly string[];
  /** Property values the usage must carry. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Usage that carries all tags of one of these is left out. */
  readonly exclude?: readonly { readonly productTags: readonly string[] }[];
}

/** What a usage says of itself, to be matched against what a grant applies to. */
export interface UsageContext {
  readonly featureSlug?: string;
  readonly componentId?: string;
  readonly priceId?: string;
  readonly productId?: string;
  readonly productTags?: readonly string[];
  readonly contractId?: string;
  readonly subscriptionId?: string;
  readonly properties?: Readonly<Record<string, string>>;
  /** The meter that counted the usage; it stands for every feature and component that refers to it. */
  readonly meterId?: string;
}

/** Whether a grant with this applicability may pay for this usage (rules.md, "Who may draw on a grant"). */
export function admits(limits: Applicability | undefined, usage: UsageContext): boolean {
  if (limits === undefined) return true;
  return (
    admitsTarget(limits, usage) &&
    (!limits.specifiers?.length || limits.specifiers.some((specifier) => satisfies(specifier, usage))) &&
    admitsOne(limits.contracts, usage.contractId) &&
    admitsOne(limits.subscriptions, usage.subscriptionId) &&
    (limits.meteredOnly !== true || usage.meterId !== undefined)
  );
}

function admitsTarget(limits: Applicability, usage: UsageContext): boolean {
  if (targets(limits) === 0) return true;
  return (
    names(limits.features, usage.featureSlug) ||
    names(limits.components, usage.componentId) ||
    names(limits.prices, usage.priceId) ||
    names(limits.products, usage.productId) ||
    names(limits.meters, usage.meterId) ||
    (usage.productTags?.some((tag) => names(limits.productTags, tag)) ?? false)
  );
}

function satisfies(specifier: Specifier, usage: UsageContext): boolean {
  const tags = usage.productTags ?? [];
  const hasAll = (wanted: readonly string[]): boolean => wanted.every((tag) => tags.includes(tag));
  return (
    (specifier.productId == null || specifier.productId === usage.productId) &&
    hasAll(specifier.productTags ?? []) &&
    Object.entries(specifier.properties ?? {}).every(([name, value]) => usage.properties?.[name] === value) &&
    !(specifier.exclude ?? []).some((excluded) => hasAll(excluded.productTags))
  );
}

const names = (list: readonly string[] | undefined, value: string | undefined): boolean =>
  value !== undefined && (list?.includes(value) ?? false);

const admitsOne = (list: readonly string[] | undefined, value: string | undefined): boolean =>
  !list?.length || names(list, value);

/** How many of the alternatives are named. */
const targets = (limits: Applicability): number =>
  (limits.features?.length ?? 0) +
  (limits.components?.length ?? 0) +
  (limits.prices?.length ?? 0) +
  (limits.products?.length ?? 0) +
  (limits.productTags?.length ?? 0);

/**
 * How narrow an applicability is, step by step; smaller burns first and naming nothing is the widest of all:
 * contracts, targets and subscriptions named, conditions in specifiers.
 */
export function narrowness(limits: Applicability | undefined): readonly [number, number, number] {
  const conditions = (limits?.specifiers ?? []).reduce(
    (sum, { productId, productTags, properties }) =>
      sum + (productId ? 1 : 0) + (productTags?.length ?? 0) + Object.keys(properties ?? {}).length,
    0,
  );
  const widest = (count: number): number => (count === 0 ? Infinity : count);
  const named = limits === undefined ? 0 : targets(limits) + (limits.subscriptions?.length ?? 0);
  return [widest(limits?.contracts?.length ?? 0), widest(named), widest(conditions)];
}
