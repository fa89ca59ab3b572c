import { evolveDocument, type Attributes, type Document, type DocumentEvent } from '#libs/catalog';
import { unknownEvent, type ProjectedEvent, type Sink } from '../projection.js';
import { textArray } from '../sink.js';

/** A document as it stands after a batch. */
export interface FoldedDocument {
  readonly tenant: string;
  readonly kind: string;
  readonly stream: string;
  readonly document: Document<Attributes>;
  readonly createdPosition: bigint;
  readonly position: bigint;
}

/** How the documents of a category are folded. @throws Error for an event type it does not know */
export type Fold = (
  document: Document<Attributes> | null,
  event: ProjectedEvent,
) => Document<Attributes> | null;

/** The events of a kind of catalogue object: `<Name>Created`, `<Name>Updated`, `<Name>Archived`. */
export const foldNamed =
  (name: string): Fold =>
  (document, event) => {
    if (![`${name}Created`, `${name}Updated`, `${name}Archived`].includes(event.type))
      throw unknownEvent(event);
    return evolveDocument(document, event as unknown as DocumentEvent<Attributes>);
  };

/**
 * Folds a batch onto the documents that stand in the table, each touched one read once.
 * Events that a row has in already are passed over, so that a batch can be handed over again.
 */
export async function foldDocuments(
  events: readonly ProjectedEvent[],
  sink: Sink,
  table: 'catalog' | 'customers',
  folds: ReadonlyMap<string, Fold>,
  tenantOf: (event: ProjectedEvent, document: Document<Attributes>) => string = ({ tenant }) => tenant,
): Promise<readonly FoldedDocument[]> {
  if (events.length === 0) return [];
  const begun = new Set(events.filter(({ revision }) => revision === 0).map(({ stream }) => stream));
  const earlier = [...new Set(events.map(({ stream }) => stream))].filter((stream) => !begun.has(stream));
  const standing = await load(earlier, sink, table);
  const touched = new Map<string, FoldedDocument>();
  for (const event of events) {
    const { stream, category, position } = event;
    const before = touched.get(stream) ?? standing.get(stream);
    if (before && before.position >= position) continue;
    const fold = folds.get(category);
    if (!fold) throw unknownEvent(event);
    const document = fold(before?.document ?? null, event);
    if (!document) throw new Error(`${stream} is nothing after position ${position}`);
    touched.set(stream, {
      tenant: before?.tenant ?? tenantOf(event, document),
      kind: category,
      stream,
      document,
      createdPosition: before?.createdPosition ?? position,
      position,
    });
  }
  return [...touched.values()];
}

async function load(
  streams: readonly string[],
  sink: Sink,
  table: 'catalog' | 'customers',
): Promise<ReadonlyMap<string, FoldedDocument>> {
  if (streams.length === 0) return new Map();
  const rows = await sink.query<{
    tenant: string;
    kind: string;
    stream: string;
    body: Document<Attributes>;
    created: string;
    position: string;
  }>(
    `select tenant, ${table === 'catalog' ? 'kind' : `'customer' as kind`}, stream, body,
       created_position::text as created, position::text as position
     from {schema}.${table} where stream = any($1::text[])`,
    [textArray(streams)],
  );
  return new Map(
    rows.map(({ body, created, position, ...row }) => [
      row.stream,
      { ...row, document: body, createdPosition: BigInt(created), position: BigInt(position) },
    ]),
  );
}
