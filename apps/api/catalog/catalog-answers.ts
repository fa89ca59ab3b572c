import { presentDocument } from '#libs/catalog';
import type { Attributes, Document, DocumentKind } from '#libs/catalog';
import { Problem } from '#libs/kernel';
import type { ErrorCode } from '#libs/kernel';
import type { ReadCall } from '../http/caller.js';
import { answerRead, answerWrite } from '../http/idempotency.js';
import type { WriteOutcome } from '../http/idempotency.js';
import { answerPage, minPositionOf, pageOf } from '../http/pagination.js';
import type { ListQuery, ReadQuery } from '../http/pagination.js';
import type { CatalogCategory, CatalogFilters, CatalogQueries } from './catalog-queries.js';
import type { FastifyReply } from 'fastify';

/** The answer of a write: the flat document, with status and headers. */
export function answerDocument<A extends Attributes>(
  reply: FastifyReply,
  kind: DocumentKind<A>,
  written: WriteOutcome & { readonly document: Document<A> },
): Attributes {
  answerWrite(reply, written);
  return presentDocument(kind, written.document);
}

/** @throws Problem `not_found`, or the code given */
export async function answerOne(
  queries: CatalogQueries,
  { tenant, request, reply }: ReadCall,
  {
    kind,
    id,
    query,
    missing = 'not_found',
  }: { kind: CatalogCategory; id: string; query: ReadQuery; missing?: ErrorCode },
): Promise<Attributes> {
  const found = await queries.get(tenant, kind, id, { minPosition: minPositionOf(request, query) });
  if (!found) throw new Problem(missing, `No ${NAMES[kind]} ${JSON.stringify(id)} exists.`);
  answerRead(reply, found.position);
  return found.data;
}

export async function answerList(
  queries: CatalogQueries,
  call: ReadCall,
  kind: CatalogCategory,
  query: ListQuery,
  filters: CatalogFilters = {},
): Promise<{ data: readonly Attributes[]; nextCursor: string | null }> {
  const { tenant, request, reply } = call;
  const page = { ...pageOf(call, query), minPosition: minPositionOf(request, query) };
  const { data, nextCursor, position } = await queries.list(tenant, kind, filters, page);
  answerRead(reply, position);
  return answerPage(call, data, nextCursor);
}

const NAMES: Record<CatalogCategory, string> = {
  unit: 'unit',
  meter: 'meter',
  feature: 'feature',
  plan: 'plan',
  price: 'price',
  customer: 'customer',
  creditDefinition: 'credit definition',
  pricingTable: 'pricing table',
  enrollmentRule: 'enrolment rule',
};
