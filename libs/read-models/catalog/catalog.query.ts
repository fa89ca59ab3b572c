import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type pg from 'pg';
import {
  creditDefinitionKind,
  featureKind,
  meterKind,
  planKind,
  presentDocument,
  priceKind,
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
} as const;

/** Category of an object in this table. */
export type CatalogKindName = keyof typeof KINDS | typeof API_KEY;

/** The column in which a member is looked for, by kind. */
const COLUMNS: { readonly [kind in CatalogKindName]: { readonly [member: string]: string } } = {
  unit: { code: 'id', kind: 'unit_kind' },
  meter: { eventName: 'slug' },
  feature: { slug: 'slug' },
  plan: {},
  price: { planId: 'plan_id' },
  creditDefinition: { scope: 'scope', applicationType: 'application_type', planId: 'plan_id' },
  apiKey: { prefix: 'slug' },
};

/** Objects of a kind, oldest first, whose members equal the filters; one that is undefined admits all. */
export class ListCatalog extends Query<ListPage<Attributes>> {
  constructor(
    readonly tenant: string,
    readonly kind: CatalogKindName,
    readonly filters: { readonly [member: string]: string | undefined },
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

  /** @throws Error for a filter that no column answers */
  async execute({ tenant, kind, filters, page }: ListCatalog): Promise<ListPage<Attributes>> {
    const query = sql(tenant, kind);
    const where = ['c.tenant = $1', 'c.kind = $2'];
    if (page.cursor !== null) where.push(`c.created_position > ${query.bind(numbersOf(page.cursor, 1)[0])}`);
    for (const [member, value] of Object.entries(filters)) {
      if (value === undefined) continue;
      const column = COLUMNS[kind][member];
      if (column === undefined) throw new Error(`${kind} cannot be listed by ${member}`);
      where.push(`c.${column} = ${query.bind(value)}`);
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
