import { claimId, withoutUnset } from '#libs/catalog';
import type {
  Attributes,
  Changes,
  ClaimCommand,
  ClaimedThing,
  Document,
  DocumentCommand,
  DocumentWish,
} from '#libs/catalog';
import { formatAmount, parseAmount, Problem } from '#libs/kernel';
import type { ErrorCode, Issue, Json } from '#libs/kernel';
import type { Position } from '#libs/event-store';
import type { NewId } from '../ids.js';
import type { CommandContext, StreamWriter } from '../stream-kind.js';
import { claims } from './catalog-kinds.js';
import type { CatalogKind } from './catalog-kinds.js';
import type { CatalogReader } from './catalog-reader.js';

/** What the handlers of the catalogue work with. */
export interface CatalogPorts {
  readonly writer: StreamWriter;
  readonly reader: CatalogReader;
  readonly newId: NewId;
}

/** Injection token of {@link CatalogPorts}. */
export const CATALOG_PORTS = Symbol('catalog ports');

/** What a caller sent, as it is compared when an idempotency key is used again. */
export type Input = { readonly [member: string]: Json | undefined };

export interface DocumentWritten<A extends Attributes> {
  readonly document: Document<A>;
  /** False when it existed before. */
  readonly created: boolean;
  /** The idempotency key had been used before. */
  readonly replayed: boolean;
  readonly position: Position;
}

export interface Creation<A extends Attributes> {
  readonly context: CommandContext;
  readonly operation: string;
  readonly id: string;
  readonly input: Input;
  readonly attributes: A;
  /** What the references were found to lack. */
  readonly issues?: readonly Issue[];
  /**
   * Writes what must stand before the document does, claims first, and answers attributes that only now are known.
   * A retry after a crash in between completes the job.
   */
  readonly prepare?: () => Promise<void | Partial<A>>;
}

export async function createDocument<A extends Attributes, Name extends string>(
  ports: CatalogPorts,
  kind: CatalogKind<A, Name>,
  creation: Creation<NoInfer<A>>,
): Promise<DocumentWritten<A>> {
  const { context, operation, id, input, issues = [], prepare } = creation;
  let { attributes } = creation;
  // what exists, or will be refused, takes nothing
  if (prepare && issues.length === 0 && kind.document.check(withoutUnset(attributes)).length === 0) {
    const { state } = await ports.writer.read(kind, context.tenant, id, 0);
    if (!state) attributes = { ...attributes, ...(await prepare()) };
  }
  return writeDocument(
    ports,
    kind,
    { context, operation, id, input },
    { type: 'Create', id, attributes, issues },
  );
}

export function updateDocument<A extends Attributes, Name extends string>(
  ports: CatalogPorts,
  kind: CatalogKind<A, Name>,
  {
    changes,
    issues = [],
    ...request
  }: Omit<Creation<NoInfer<A>>, 'attributes' | 'prepare'> & { readonly changes: Changes<NoInfer<A>> },
): Promise<DocumentWritten<A>> {
  return writeDocument(ports, kind, request, { type: 'Update', changes, issues });
}

export function archiveDocument<A extends Attributes, Name extends string>(
  ports: CatalogPorts,
  kind: CatalogKind<A, Name>,
  request: Pick<Creation<NoInfer<A>>, 'context' | 'operation' | 'id'>,
): Promise<DocumentWritten<A>> {
  return writeDocument(ports, kind, { ...request, input: {} }, { type: 'Archive' });
}

async function writeDocument<A extends Attributes, Name extends string>(
  { writer, reader }: CatalogPorts,
  kind: CatalogKind<A, Name>,
  { context, operation, id, input }: Pick<Creation<A>, 'context' | 'operation' | 'id' | 'input'>,
  wish: DocumentWish<A>,
): Promise<DocumentWritten<A>> {
  const keyed = context.idempotencyKey !== undefined;
  const written = await writer.execute(kind, id, {
    context,
    operation,
    input,
    command: (now): DocumentCommand<A> => ({ ...wish, now, keyed }),
  });
  const document = await written.stateAfter();
  if (!document) throw new Error(`${kind.category} ${id} does not exist after it was written`);
  reader.remember(kind, context.tenant, id, document, written.revision);
  const created = written.events.some(({ type }) => type === `${kind.document.name}Created`);
  return { document, created, replayed: written.replayed, position: written.position };
}

export interface ClaimRequest {
  readonly what: ClaimedThing;
  readonly value: string;
  readonly owner: string;
  readonly taken: { readonly code: ErrorCode; readonly detail: string };
  /** Whether that object exists and holds the value, asked of the log itself. */
  readonly holds: (owner: string) => Promise<boolean>;
}

/** Takes a value for its owner. @throws Problem the request's `taken` when somebody else holds it */
export async function claim(
  ports: CatalogPorts,
  context: CommandContext,
  request: ClaimRequest,
): Promise<void> {
  const { what, value, owner, taken, holds } = request;
  const id = claimId(what, value);
  try {
    await writeClaim(ports, context, id, owner, { taken });
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== taken.code) throw error;
    const { state } = await ports.writer.read(claims, context.tenant, id, 0);
    if (state.owner !== null && (await holds(state.owner))) throw error;
    await writeClaim(ports, context, id, owner, { taken, mayReplace: state.owner ?? undefined });
  }
}

async function writeClaim(
  { writer, reader }: CatalogPorts,
  context: CommandContext,
  id: string,
  owner: string,
  how: { readonly taken: ClaimRequest['taken']; readonly mayReplace?: string | undefined },
): Promise<void> {
  const written = await writer.execute(claims, id, {
    context: withoutKey(context),
    operation: 'claims.take',
    input: { owner },
    command: (now): ClaimCommand => ({ type: 'Claim', owner, now, ...how }),
  });
  reader.remember(claims, context.tenant, id, await written.stateAfter(), written.revision);
}

/** Gives a value back, if its owner still has it. */
export async function release(
  { writer, reader }: CatalogPorts,
  context: CommandContext,
  { what, value, owner }: Pick<ClaimRequest, 'what' | 'value' | 'owner'>,
): Promise<void> {
  const id = claimId(what, value);
  const written = await writer.execute(claims, id, {
    context: withoutKey(context),
    operation: 'claims.release',
    input: { owner },
    command: (now): ClaimCommand => ({ type: 'Release', owner, now }),
  });
  reader.remember(claims, context.tenant, id, await written.stateAfter(), written.revision);
}

/** The caller's key belongs to the document's stream alone. */
export const withoutKey = (context: CommandContext): CommandContext => ({
  ...context,
  idempotencyKey: undefined,
});

/** The canonical form of an amount that the edge has let in. */
export function canonicalAmount(value: string | number): string {
  const amount = parseAmount(value);
  return typeof amount === 'bigint' ? formatAmount(amount) : String(value);
}

export const unknownReference = (pointer: string, what: string, id: string): Issue => ({
  pointer,
  code: 'unknown_reference',
  message: `No ${what} ${JSON.stringify(id)} exists.`,
});
