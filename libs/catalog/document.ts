import { canonicalJson, formatInstant, Problem } from '#libs/kernel';
import type {
  Decider,
  DomainEvent,
  ErrorCode,
  Instant,
  Issue,
  Json,
  StoredId,
  StoredInstant,
} from '#libs/kernel';

/** What an object of the catalogue says about itself: JSON only. Amounts are canonical decimal strings; an absent member is unset. */
export type Attributes = { readonly [member: string]: Json | undefined };

/** One object of the catalogue as its stream says it stands. Times are ISO 8601 UTC. */
export interface Document<A extends Attributes> {
  readonly id: string;
  readonly attributes: A;
  /** What it was created with, so that the same creation sent again is recognised after updates. */
  readonly createdWith: A;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly archivedAt: string | null;
}

/** The facts of one object of the catalogue. */
export type DocumentEvent<A extends Attributes, Name extends string = string, Id extends string = StoredId> =
  | DomainEvent<`${Name}Created`, DocumentCreated<A, Id>>
  | DomainEvent<`${Name}Updated`, DocumentUpdated<A>>
  | DomainEvent<`${Name}Archived`, DocumentArchived>;

/** The object exists from now on. */
export interface DocumentCreated<A extends Attributes, Id extends string = StoredId> {
  readonly id: Id;
  /** Everything it says about itself; what is absent is not set. */
  readonly attributes: A;
  readonly at: StoredInstant;
}

/** Some of its attributes are others from now on; none where a command with a key found all as it wanted it. */
export interface DocumentUpdated<A extends Attributes> {
  /** The new values, of those that changed only; null: no longer set. */
  readonly changes: Changes<A>;
  readonly at: StoredInstant;
}

/** It is no longer in use; what refers to it stays as it is. */
export interface DocumentArchived {
  readonly at: StoredInstant;
}

export type Changes<A extends Attributes> = { readonly [M in keyof A]?: A[M] | null };

/** What is wanted of an object. `issues`: what the references were found to lack, to be listed together with what the rules find. */
export type DocumentWish<A extends Attributes> =
  | {
      readonly type: 'Create';
      readonly id: string;
      readonly attributes: A;
      readonly issues?: readonly Issue[];
    }
  | { readonly type: 'Update'; readonly changes: Changes<A>; readonly issues?: readonly Issue[] }
  | { readonly type: 'Archive' };

/** `keyed`: it has an idempotency key, so that also what changes nothing is recorded, and the key remembered by it. */
export type DocumentCommand<A extends Attributes> = DocumentWish<A> & {
  readonly now: Instant;
  readonly keyed?: boolean;
};

export interface DocumentKind<A extends Attributes, Name extends string = string> {
  /** Category of the streams, such as `meter`. */
  readonly category: string;
  /** Prefix of the event types, such as `Meter`. */
  readonly name: Name;
  /** Members that an update may not change. */
  readonly immutable: readonly (keyof A & string)[];
  /** Answered when an update or archive names nothing that exists. */
  readonly missing: ErrorCode;
  /** The rules between members, all at once. Pointers are RFC 6901, into the body of the request. */
  check(attributes: A): readonly Issue[];
  /** What differs from kind to kind in the answer: `status` or `isActive`. */
  present?(document: Document<A>): Attributes;
}

/**
 * The decider of every object of the catalogue: null until created, then its document.
 * Create on an existing object changes nothing when the attributes are the first ones again.
 * @throws Problem `already_exists` naming what differs; the kind's `missing`; `validation_failed` with every issue
 */
export function documentDecider<A extends Attributes, Name extends string>(
  kind: DocumentKind<A, Name>,
): Decider<Document<A> | null, DocumentCommand<A>, DocumentEvent<A, Name>> {
  return {
    initialState: null,
    decide(command, document) {
      const at = formatInstant(command.now);
      const nothing = (): readonly DocumentEvent<A, Name>[] =>
        command.keyed ? [{ type: `${kind.name}Updated`, data: { changes: {}, at } }] : [];
      if (command.type === 'Create') {
        if (document) {
          refuseDifferentCreation(kind, document, command.attributes);
          return nothing();
        }
        const attributes = withoutUnset(command.attributes);
        refuseIssues(kind, [...kind.check(attributes), ...(command.issues ?? [])]);
        return [{ type: `${kind.name}Created`, data: { id: command.id, attributes, at } }];
      }
      if (!document) throw new Problem(kind.missing, `This ${kind.category} does not exist.`);
      if (command.type === 'Archive')
        return document.archivedAt ? nothing() : [{ type: `${kind.name}Archived`, data: { at } }];
      const issues = command.issues ?? [];
      const changes = realChanges(document.attributes, command.changes);
      const changed = Object.keys(changes);
      if (changed.length === 0 && issues.length === 0) return nothing();
      refuseIssues(kind, [
        ...changed
          .filter((member) => (kind.immutable as readonly string[]).includes(member))
          .map(immutableIssue),
        ...kind.check(applyChanges(document.attributes, changes)),
        ...issues,
      ]);
      return [{ type: `${kind.name}Updated`, data: { changes, at } }];
    },
    evolve: evolveDocument,
  };
}

/** Folds one event of any kind of catalogue object. */
export function evolveDocument<A extends Attributes>(
  document: Document<A> | null,
  event: DocumentEvent<A>,
): Document<A> | null {
  const { data } = event;
  if ('attributes' in data) {
    const { id, attributes, at } = data;
    return { id, attributes, createdWith: attributes, createdAt: at, updatedAt: at, archivedAt: null };
  }
  if (!document) throw new Error(`${event.type} stands before the creation`);
  if (!('changes' in data)) return { ...document, updatedAt: data.at, archivedAt: data.at };
  if (Object.keys(data.changes).length === 0) return document;
  return { ...document, attributes: applyChanges(document.attributes, data.changes), updatedAt: data.at };
}

/** The document as the API answers it: flat, with `id`, times and `isActive` or `status`. */
export function presentDocument<A extends Attributes>(
  kind: DocumentKind<A>,
  document: Document<A>,
): Attributes {
  const { id, attributes, createdAt, updatedAt, archivedAt } = document;
  const state = kind.present?.(document) ?? { isActive: archivedAt === null };
  return { id, ...attributes, ...state, createdAt, updatedAt };
}

/** The attributes after an update; a null unsets. */
export function applyChanges<A extends Attributes>(attributes: A, changes: Changes<A>): A {
  return withoutUnset({ ...attributes, ...changes });
}

/** Leaves out members that are null or undefined: to the catalogue both mean "not set". */
export function withoutUnset<A extends Attributes>(attributes: A): A {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value != null)) as A;
}

export const immutableIssue = (member: string): Issue => ({
  pointer: `/${member}`,
  code: 'immutable',
  message: `${member} cannot be changed after creation.`,
});

const differs = (a: Json | undefined, b: Json | undefined): boolean =>
  canonicalJson(a ?? null) !== canonicalJson(b ?? null);

function realChanges<A extends Attributes>(attributes: A, wanted: Changes<A>): Changes<A> {
  const changed = Object.entries(wanted).filter(
    ([member, value]) => value !== undefined && differs(attributes[member], value as Json),
  );
  return Object.fromEntries(changed) as Changes<A>;
}

function refuseDifferentCreation<A extends Attributes>(
  kind: DocumentKind<A>,
  document: Document<A>,
  wanted: A,
): void {
  const members = new Set([...Object.keys(document.createdWith), ...Object.keys(wanted)]);
  const different = [...members]
    .filter((member) => differs(document.createdWith[member], wanted[member]))
    .sort();
  if (different.length > 0)
    throw new Problem(
      'already_exists',
      `A ${kind.category} ${JSON.stringify(document.id)} exists and was created with another ${different.join(', ')}.`,
      different.map((member) => ({
        pointer: `/${member}`,
        code: 'differs',
        message: 'Not what it was created with.',
      })),
    );
}

function refuseIssues(kind: { readonly category: string }, issues: readonly Issue[]): void {
  if (issues.length > 0)
    throw new Problem(
      'validation_failed',
      `The ${kind.category} is not acceptable: ${issues[0]!.message}`,
      issues,
    );
}
