import type { Attributes } from '#libs/catalog';

/** Category of a catalogue object, as in its stream's name. */
export type CatalogCategory =
  | 'unit'
  | 'meter'
  | 'feature'
  | 'plan'
  | 'price'
  | 'customer'
  | 'creditDefinition'
  | 'pricingTable'
  | 'enrollmentRule';

/** What a list is asked by: each a text, or several of which one must fit; undefined admits every row. */
export type CatalogFilters = { readonly [filter: string]: string | readonly string[] | undefined };

export interface CatalogPage {
  /** As they are answered: flat, see `presentDocument`. */
  readonly data: readonly Attributes[];
  /** Key of the last row when there are more; the edge makes it opaque. */
  readonly nextCursor: string | null;
  /** Position in the log that the page reflects. */
  readonly position: bigint;
}

export interface CatalogQueryOptions {
  /** The answer must reflect at least this position, else `read_model_behind`. */
  readonly minPosition?: bigint | undefined;
}

/** The read side of the catalogue. Lists are ordered by creation, oldest first. */
export interface CatalogQueries {
  /** Null: there is none. */
  get(
    tenant: string,
    kind: CatalogCategory,
    id: string,
    options?: CatalogQueryOptions,
  ): Promise<{ readonly data: Attributes; readonly position: bigint } | null>;

  /** Rows that every filter admits. */
  list(
    tenant: string,
    kind: CatalogCategory,
    filters: CatalogFilters,
    page: { readonly limit: number; readonly cursor: string | null } & CatalogQueryOptions,
  ): Promise<CatalogPage>;
}

/** Injection token of {@link CatalogQueries}. */
export const CATALOG_QUERIES = Symbol('catalog queries');
