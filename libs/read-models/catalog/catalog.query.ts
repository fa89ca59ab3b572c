import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type pg from 'pg';
import {
  creditDefinitionKind,
  enrollmentRuleKind,
  featureKind,
  meterKind,
  planKind,
  presentDocument,
  priceKind,
  pricingTableKind,
  unitKind,
  type Attributes,
  type Document,
  type DocumentKind,
} from '#libs/catalog';
import {
  numbersOf,
  pageOfRows,
  READ_MODELS_POOL,
  readRows,
  sql,
  type Found,
  type ListPage,
  type PageRequest,
} from '../reading.js';
import { LIVE } from '../table.js';
import { API_KEY } from './catalog.projection.js';

const KINDS = {
  unit: unitKind,
  meter: meterKind,
  feature: featureKind,
  plan: planKind,
  price: priceKind,
  creditDefinition: creditDefinitionKind,
  pricingTable: pricingTableKind,
  enrollmentRule: enrollmentRuleKind,
} as const;

/** Category of an object in this table. */
export type CatalogKindName = keyof typeof KINDS | typeof API_KEY;

/** What a filter asks of a row `c`; `values` stands for the texts that it admits. */
type Condition = (values: string) => string;
const is =
  (expression: string): Condition =>
  (values) =>
    `${expression} = any(${values}::text[])`;
const attribute = (member: string): string => `c.body #>> '{attributes,${member}}'`;
const isArchived = is(`((c.body ->> 'archivedAt') is not null)::text`);

/** The filters there are, by kind. */
const FILTERS: { readonly [kind in CatalogKindName]: { readonly [filter: string]: Condition } } = {
  unit: { code: is('c.id'), kind: is('c.unit_kind') },
  meter: { eventName: is('c.slug') },
  feature: {
    id: is('c.id'),
    slug: is('c.slug'),
    archived: isArchived,
    search: (values) =>
      `strpos(lower(c.slug || ' ' || (${attribute('displayName')})), lower((${values}::text[])[1])) > 0`,
  },
  plan: {
    id: is('c.id'),
    stablePlanId: is('c.stable_plan_id'),
    trialParentPlanId: is(attribute('trialParentPlanId')),
    newest: is(`(not exists (select from ${LIVE}.catalog n where n.tenant = c.tenant
      and n.stable_plan_id = c.stable_plan_id and n.version_number > c.version_number))::text`),
  },
  price: { id: is('c.id'), planId: is('c.plan_id'), currency: is(attribute('currency')) },
  creditDefinition: {
    scope: is('c.scope'),
    applicationType: is('c.application_type'),
    planId: is('c.plan_id'),
  },
  pricingTable: { slug: is('c.slug'), archived: isArchived },
  enrollmentRule: { planId: is('c.plan_id'), archived: isArchived },
  apiKey: { prefix: is('c.slug') },
};

export type CatalogFilters = { readonly [filter: string]: string | readonly string[] | undefined };

/** Objects of a kind, oldest first, that the filters admit: each is a text or several; one that is undefined admits all. */
export class ListCatalog extends Query<ListPage<Attributes>> {
  constructor(
    readonly tenant: string,
    readonly kind: CatalogKindName,
    readonly filters: CatalogFilters,
    readonly page: PageRequest,
  ) {
    super();
  }
}

/** An object by its kind and id. */
export class FindCatalog extends Query<Found<Attributes>> {
  constructor(
    readonly tenant: string,
    readonly kind: CatalogKindName,
    readonly id: string,
  ) {
    super();
  }
}

interface Stored {
  readonly body: Document<Attributes>;
  readonly at: string;
}

@QueryHandler(ListCatalog)
export class ListCatalogHandler implements IQueryHandler<ListCatalog> {
  constructor(@Inject(READ_MODELS_POOL) private readonly pool: pg.Pool) {}

  /** @throws Error for a filter that there is not */
  async execute({ tenant, kind, filters, page }: ListCatalog): Promise<ListPage<Attributes>> {
    const query = sql(tenant, kind);
    const where = ['c.tenant = $1', 'c.kind = $2'];
    if (page.cursor !== null) where.push(`c.created_position > ${query.bind(numbersOf(page.cursor, 1)[0])}`);
    for (const [filter, value] of Object.entries(filters)) {
      if (value === undefined) continue;
      const condition = FILTERS[kind][filter];
      if (condition === undefined) throw new Error(`${kind} cannot be listed by ${filter}`);
      where.push(condition(query.bind([value].flat())));
    }
    const read = await readRows<Stored>(
      this.pool,
      ['catalog'],
      `select c.body, c.created_position::text as at from ${LIVE}.catalog c where ${where.join(' and ')}
       order by c.created_position limit ${query.bind(page.limit + 1)}`,
      query,
    );
    return pageOfRows(
      read,
      page.limit,
      ({ at }) => at,
      ({ body }) => present(kind, body),
    );
  }
}

@QueryHandler(FindCatalog)
export class FindCatalogHandler implements IQueryHandler<FindCatalog> {
  constructor(@Inject(READ_MODELS_POOL) private readonly pool: pg.Pool) {}

  async execute({ tenant, kind, id }: FindCatalog): Promise<Found<Attributes>> {
    const { rows, position } = await readRows<Stored>(
      this.pool,
      ['catalog'],
      `select c.body, c.created_position::text as at from ${LIVE}.catalog c
       where c.tenant = $1 and c.kind = $2 and c.id = $3`,
      sql(tenant, kind, id),
    );
    return { data: rows[0] ? present(kind, rows[0].body) : null, position };
  }
}

function present(kind: CatalogKindName, document: Document<Attributes>): Attributes {
  if (kind !== API_KEY) return presentDocument(KINDS[kind] as unknown as DocumentKind<Attributes>, document);
  const { id, attributes, createdAt, archivedAt } = document;
  return { id, ...attributes, createdAt, revokedAt: archivedAt };
}
