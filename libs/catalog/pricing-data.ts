import { MAX_RULE_LENGTH, readRecurrenceRule } from '#libs/calendar';
import { formatAmount, issue, parseAmount, type Issue, type IssueCode, type Json } from '#libs/kernel';
import { isTimeZone } from './customer.js';
import { withoutUnset, type Attributes } from './document.js';
import { COMPONENT_TYPES, TIER_MODES, type PriceComponent, type PricingData } from './price-component.js';

/**
 * The language of prices, version 1, taken as callers write it: nothing in it has been looked at before. What is wrong is
 * listed all at once, each issue with its pointer.
 */

export const MAX_COMPONENTS = 50;
export const MAX_TIERS = 100;
const MAX_SEATS = 1_000_000_000;

type Type = PriceComponent['type'];
type Check = (value: unknown, at: string) => readonly Issue[];

/** What a member must be, and in which types of component it may and must stand. */
interface Member {
  readonly check: Check;
  readonly required?: readonly Type[];
  readonly optional?: readonly Type[];
}

const one = (at: string, code: IssueCode, message: string): readonly Issue[] => [issue(at, code, message)];
const nameOf = (at: string): string => at.slice(at.lastIndexOf('/') + 1);

const isText =
  (most: number): Check =>
  (value, at) => {
    if (typeof value !== 'string') return one(at, 'type', `${nameOf(at)} must be a text.`);
    if (value.length > most)
      return one(at, 'too_long', `${nameOf(at)} must have at most ${most} characters.`);
    return value ? [] : one(at, 'too_short', `${nameOf(at)} must not be empty.`);
  };

const isId: Check = (value, at) =>
  typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/.test(value)
    ? []
    : one(at, 'id_invalid', `${nameOf(at)} must be an id.`);

const isOneOf =
  (values: readonly string[]): Check =>
  (value, at) =>
    (values as readonly unknown[]).includes(value)
      ? []
      : one(at, 'not_allowed', `${nameOf(at)} must be one of ${values.join(', ')}.`);

const isFlag: Check = (value, at) =>
  typeof value === 'boolean' ? [] : one(at, 'type', `${nameOf(at)} must be true or false.`);

const isAmount: Check = (value, at) => {
  const amount = parseAmount(value);
  if (typeof amount !== 'bigint') return one(at, amount, `${nameOf(at)} must be an amount such as "12.5".`);
  return amount < 0n ? one(at, 'amount_negative', `${nameOf(at)} must not be below zero.`) : [];
};

const isSeats: Check = (value, at) => {
  if (!Number.isInteger(value)) return one(at, 'type', `${nameOf(at)} must be a whole number.`);
  return Number(value) >= 0 && Number(value) <= MAX_SEATS
    ? []
    : one(at, 'out_of_range', `${nameOf(at)} must be 0 to ${MAX_SEATS}.`);
};

const isZone: Check = (value, at) =>
  typeof value === 'string' && isTimeZone(value)
    ? []
    : one(at, 'timezone_unknown', `${nameOf(at)} must be an IANA time zone.`);

/** A price that recurs daily says how long: a line for each day without end is no price. */
const isRule: Check = (value, at) => {
  const issues = isText(MAX_RULE_LENGTH)(value, at);
  if (issues.length > 0) return issues;
  const rule = readRecurrenceRule(value as string);
  if ('code' in rule) return [{ pointer: at, ...rule }];
  return rule.frequency === 'DAILY' && !rule.parts.has('COUNT') && !rule.parts.has('UNTIL')
    ? one(at, 'rrule_unbounded', 'A DAILY rule of a price needs COUNT or UNTIL.')
    : [];
};

const TIER_MEMBERS: Readonly<Record<string, Check>> = {
  upTo: (value, at) => (value === null ? [] : isAmount(value, at)),
  unit_cost_cents: isAmount,
  flat_cents: isAmount,
};

const isTiers: Check = (value, at) => {
  const members = { mode: isOneOf(TIER_MODES), tiers: isTierList };
  return checkMembers(value, at, members, ['mode', 'tiers']);
};

const isTierList: Check = (value, at) => {
  const issues = [...checkList(value, at, MAX_TIERS)];
  if (issues.length > 0) return issues;
  const tiers = value as readonly unknown[];
  let below = 0n;
  for (const [index, tier] of tiers.entries()) {
    const faults = checkMembers(tier, `${at}/${index}`, TIER_MEMBERS, ['upTo', 'unit_cost_cents']);
    issues.push(...faults);
    const pointer = `${at}/${index}/upTo`;
    if (!isObject(tier) || tier['upTo'] === undefined || faults.some((fault) => fault.pointer === pointer))
      continue;
    const last = index === tiers.length - 1;
    const upTo = parseAmount(tier['upTo']);
    if (typeof upTo !== 'bigint') {
      if (!last) issues.push(issue(pointer, 'not_allowed', 'Only the last tier is open.'));
    } else if (last) issues.push(issue(pointer, 'not_allowed', 'The last tier is open: its upTo is null.'));
    else if (upTo <= below) issues.push(issue(pointer, 'out_of_range', 'Tiers ascend, from above zero.'));
    else below = upTo;
  }
  return issues;
};

const EVERY = COMPONENT_TYPES;

const MEMBERS: Readonly<Record<keyof PriceComponent, Member>> = {
  id: { check: isId, required: EVERY },
  type: { check: isOneOf(COMPONENT_TYPES), required: EVERY },
  label: { check: isText(255), required: EVERY },
  recurrence_rule: { check: isRule, optional: EVERY },
  timezone: { check: isZone, optional: EVERY },
  amount_cents: { check: isAmount, required: ['fixed'] },
  unit_amount_cents: { check: isAmount, required: ['per_unit'] },
  minimum_seats: { check: isSeats, optional: ['per_unit'] },
  bill_immediately: { check: isFlag, optional: ['per_unit'] },
  unit_cost_cents: { check: isAmount, optional: ['usage'] },
  tiers: { check: isTiers, optional: ['usage'] },
  free_units: { check: isAmount, optional: ['usage'] },
  unit_label: { check: isText(64), optional: ['usage', 'per_unit'] },
  metric_id: { check: isId, required: ['usage'], optional: ['per_unit'] },
};

/** Everything that is wrong with a price's data. @param at pointer of the data */
export function checkPricingData(data: unknown, at: string): readonly Issue[] {
  const isVersion: Check = (value, place) =>
    value === 1 ? [] : one(place, 'not_allowed', 'dsl_version must be 1.');
  return checkMembers(data, at, { dsl_version: isVersion, components: isComponents }, [
    'dsl_version',
    'components',
  ]);
}

const COUNTED = 'Another component of this price charges the usage of this metric.';

/** Each usage is charged once: by the one component of its metric. */
const isComponents: Check = (value, at) => {
  const issues = [...checkList(value, at, MAX_COMPONENTS)];
  if (issues.length > 0) return issues;
  const ids = new Set<unknown>();
  const metrics = new Set<unknown>();
  const once = (seen: Set<unknown>, value: unknown, pointer: string, message: string): void => {
    if (seen.has(value)) issues.push(issue(pointer, 'duplicate', message));
    seen.add(value);
  };
  for (const [index, component] of (value as readonly unknown[]).entries()) {
    const faults = checkComponent(component, `${at}/${index}`);
    issues.push(...faults);
    if (!isObject(component)) continue;
    const isGood = (pointer: string): boolean => faults.every((fault) => fault.pointer !== pointer);
    const [id, metric] = [`${at}/${index}/id`, `${at}/${index}/metric_id`];
    if (isGood(id)) once(ids, component['id'], id, 'Another component of this price has this id.');
    if (component['type'] === 'usage' && isGood(metric))
      once(metrics, component['metric_id'], metric, COUNTED);
  }
  return issues;
};

function checkComponent(component: unknown, at: string): readonly Issue[] {
  if (!isObject(component)) return one(at, 'type', 'A component must be an object.');
  const type = COMPONENT_TYPES.find((known) => known === component['type']);
  const has = (name: string): boolean => component[name] !== undefined;
  const checks = Object.fromEntries(Object.entries(MEMBERS).map(([name, { check }]) => [name, check]));
  const needed = Object.entries(MEMBERS).filter(([, { required = [] }]) =>
    type ? required.includes(type) : required === EVERY,
  );
  const issues = [
    ...checkMembers(
      component,
      at,
      checks,
      needed.map(([name]) => name),
    ),
  ];
  for (const [name, { required = [], optional = [] }] of Object.entries(MEMBERS))
    if (type && has(name) && !required.includes(type) && !optional.includes(type))
      issues.push(issue(`${at}/${name}`, 'not_applicable', `${name} does not go with type ${type}.`));
  if (type === 'usage' && has('unit_cost_cents') === has('tiers'))
    issues.push(
      has('tiers')
        ? issue(`${at}/tiers`, 'exclusive', 'Usage has one unit cost, or tiers.')
        : issue(`${at}/unit_cost_cents`, 'required', 'Usage needs unit_cost_cents, or tiers.'),
    );
  if (has('timezone') && !has('recurrence_rule'))
    issues.push(issue(`${at}/timezone`, 'not_applicable', 'Only what recurs has a time zone.'));
  return issues;
}

function checkMembers(
  value: unknown,
  at: string,
  checks: Readonly<Record<string, Check>>,
  required: readonly string[],
): readonly Issue[] {
  if (!isObject(value)) return one(at, 'type', `${nameOf(at)} must be an object.`);
  const issues = required
    .filter((name) => value[name] === undefined)
    .map((name) => issue(`${at}/${name}`, 'required', `${name} is required.`));
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined) continue;
    const pointer = `${at}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    issues.push(
      ...(Object.hasOwn(checks, name)
        ? checks[name]!(member, pointer)
        : one(pointer, 'unknown_field', `${name} is not known here.`)),
    );
  }
  return issues;
}

function checkList(value: unknown, at: string, most: number): readonly Issue[] {
  if (!Array.isArray(value)) return one(at, 'type', `${nameOf(at)} must be a list.`);
  return value.length >= 1 && value.length <= most
    ? []
    : one(at, 'out_of_range', `${nameOf(at)} must have 1 to ${most} entries.`);
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The data in canonical form as far as it can be understood: amounts, rules, defaults, nulls left out. What cannot be is
 * kept as it came, for {@link checkPricingData} to name.
 * @param idOf the id of a component that has none, by its index
 */
export function canonicalPricingData(data: unknown, idOf: (index: number) => string): PricingData {
  if (!isObject(data)) return data as PricingData;
  const { components } = data;
  const canonical = Array.isArray(components)
    ? components.map((component: unknown, index) =>
        isObject(component) ? canonicalComponent(component as Attributes, idOf(index)) : component,
      )
    : components;
  return withoutUnset({ ...(data as Attributes), components: canonical as Json }) as PricingData;
}

function canonicalComponent(given: Attributes, id: string): Attributes {
  const perUnit = given['type'] === 'per_unit';
  const { recurrence_rule: text, tiers } = given;
  const rule = typeof text === 'string' ? readRecurrenceRule(text) : null;
  return withoutUnset({
    ...given,
    id: given['id'] ?? id,
    recurrence_rule: rule && 'canonical' in rule ? rule.canonical : text,
    // a seat's charge may be sent under the name of a fixed charge
    amount_cents: perUnit && given['unit_amount_cents'] == null ? undefined : amount(given['amount_cents']),
    unit_amount_cents: amount(given['unit_amount_cents'] ?? (perUnit ? given['amount_cents'] : undefined)),
    unit_cost_cents: amount(given['unit_cost_cents']),
    free_units: amount(given['free_units']),
    tiers: isObject(tiers) && Array.isArray(tiers['tiers']) ? canonicalTiers(tiers) : tiers,
    bill_immediately: given['bill_immediately'] ?? (perUnit ? true : undefined),
  });
}

const canonicalTiers = (given: Attributes): Json => ({
  ...withoutUnset(given),
  tiers: (given['tiers'] as readonly Json[]).map((tier) => {
    if (!isObject(tier)) return tier;
    const { upTo, unit_cost_cents, flat_cents, ...rest } = tier;
    const open = upTo === null ? { upTo } : {};
    const amounts = {
      upTo: amount(upTo),
      unit_cost_cents: amount(unit_cost_cents),
      flat_cents: amount(flat_cents),
    };
    return { ...withoutUnset({ ...rest, ...amounts }), ...open };
  }),
});

function amount(value: Json | undefined): Json | undefined {
  const read = parseAmount(value);
  return typeof read === 'bigint' ? formatAmount(read) : value;
}
