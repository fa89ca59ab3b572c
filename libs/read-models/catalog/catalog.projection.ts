import {
  creditDefinitionKind,
  enrollmentRuleKind,
  featureKind,
  meterKind,
  planKind,
  priceKind,
  pricingTableKind,
  unitKind,
  versionOf,
  type Attributes,
  type Document,
  type Plan,
} from '#libs/catalog';
import { unknownEvent, type ProjectedEvent, type Projection } from '../projection.js';
import { tableOf } from '../table.js';
import { CatalogRow } from './catalog.entity.js';
import { foldDocuments, foldNamed, type Fold, type FoldedDocument } from './fold-documents.js';

const catalog = tableOf(CatalogRow);

/** Category of API keys; their streams are named by the hash of the key. */
export const API_KEY = 'apiKey';

const FOLDS: ReadonlyMap<string, Fold> = new Map<string, Fold>([
  ...[
    unitKind,
    meterKind,
    featureKind,
    planKind,
    priceKind,
    creditDefinitionKind,
    pricingTableKind,
    enrollmentRuleKind,
  ].map(({ category, name }): [string, Fold] => [category, foldNamed(name)]),
  [API_KEY, foldApiKey],
]);

/** Everything in the catalogue but customers, and API keys. */
export const catalogProjection: Projection = {
  name: 'catalog',
  tables: [catalog],
  categories: new Set(FOLDS.keys()),

  async project(events, sink) {
    const folded = await foldDocuments(events, sink, 'catalog', FOLDS, tenantOf);
    await sink.upsert(catalog, folded.map(rowOf));
  },
};

/** A key's stream belongs to the system; the key itself to the tenant and environment it opens. */
function tenantOf({ category, tenant }: ProjectedEvent, { attributes }: Document<Attributes>): string {
  if (category !== API_KEY) return tenant;
  return `${attributes['tenant'] as string}${attributes['environment'] === 'test' ? '.test' : ''}`;
}

function foldApiKey(
  document: Document<Attributes> | null,
  event: ProjectedEvent,
): Document<Attributes> | null {
  const at = event.data['at'] as string;
  if (event.type === 'ApiKeyCreated') {
    const { tenant, environment, kind, name, prefix, value } = event.data;
    const attributes = {
      ...{ tenant, environment, kind, name, prefix },
      ...(value === undefined ? {} : { value }),
    } as Attributes;
    return {
      id: event.data['id'] as string,
      attributes,
      createdWith: attributes,
      createdAt: at,
      updatedAt: at,
      archivedAt: null,
    };
  }
  if (event.type !== 'ApiKeyRevoked') throw unknownEvent(event);
  if (!document) throw new Error(`${event.type} stands before the creation`);
  return { ...document, updatedAt: at, archivedAt: at };
}

function rowOf({ tenant, kind, stream, document, createdPosition, position }: FoldedDocument): CatalogRow {
  const { id, attributes } = document;
  const version = kind === planKind.category ? versionOf(document as unknown as Document<Plan>) : null;
  const text = (member: string): string | null => (attributes[member] as string | undefined) ?? null;
  return {
    tenant,
    kind,
    id,
    stream,
    slug: text('slug') ?? text('eventName') ?? text('prefix'),
    planId: text('planId'),
    stablePlanId: version?.stablePlanId ?? null,
    versionNumber: version?.versionNumber ?? null,
    scope: text('scope'),
    applicationType: text('applicationType'),
    unitKind: kind === unitKind.category ? text('kind') : null,
    body: JSON.stringify(document),
    createdPosition,
    position,
  };
}
