import type { Attributes } from '#libs/catalog';
import type { Position } from '#libs/event-store';
import {
  FindCustomer,
  FindCustomerHandler,
  ListCustomers,
  ListCustomersHandler,
} from '../customers/customers.query.js';
import type pg from 'pg';
import type { PositionWaiter } from '../projecting/waiting.js';
import {
  FindCatalog,
  FindCatalogHandler,
  ListCatalog,
  ListCatalogHandler,
  type CatalogFilters,
  type CatalogKindName,
} from './catalog.query.js';

/** Category of an object of the catalogue, customers among them. */
type Category = Exclude<CatalogKindName, 'apiKey'> | 'customer';
interface Options {
  /** The answer must reflect at least this position. */
  readonly minPosition?: Position | undefined;
}

/**
 * The read side of the catalogue as the API asks for it.
 * @throws Problem `read_model_behind` when the position asked for is not reached in time
 */
export function createCatalogQueries(
  { pool, waitForPosition }: { readonly pool: pg.Pool } & Pick<PositionWaiter, 'waitForPosition'>,
  /** How far this process itself has written or read an object; 0 when it does not know it. */
  knownPosition: (category: string, tenant: string, id: string) => Position = () => 0n,
  /** How far this process itself has written objects of the tenant. */
  lastWritten: (tenant: string) => Position = () => 0n,
) {
  const findCustomer = new FindCustomerHandler(pool);
  const findCatalog = new FindCatalogHandler(pool);
  const listCustomers = new ListCustomersHandler(pool);
  const listCatalog = new ListCatalogHandler(pool);
  const reach = (kind: Category, { minPosition }: Options): Promise<void> =>
    minPosition === undefined
      ? Promise.resolve()
      : waitForPosition(minPosition, undefined, [kind === 'customer' ? 'customers' : 'catalog']);

  /** Nobody asked for a position: what this process wrote a moment ago is shown all the same, if it comes in time. */
  const reachOwn = async (kind: Category, own: Position): Promise<void> => {
    if (own > 0n) await reach(kind, { minPosition: own }).catch(() => undefined);
  };

  return {
    async get(
      tenant: string,
      kind: Category,
      id: string,
      options: Options = {},
    ): Promise<{ readonly data: Attributes; readonly position: Position } | null> {
      await (options.minPosition === undefined
        ? reachOwn(kind, knownPosition(kind, tenant, id))
        : reach(kind, options));
      const { data, position } =
        kind === 'customer'
          ? await findCustomer.execute(new FindCustomer(tenant, id))
          : await findCatalog.execute(new FindCatalog(tenant, kind, id));
      return data && { data, position };
    },

    async list(
      tenant: string,
      kind: Category,
      filters: CatalogFilters,
      page: { readonly limit: number; readonly cursor: string | null } & Options,
    ): Promise<{
      readonly data: readonly Attributes[];
      readonly nextCursor: string | null;
      readonly position: Position;
    }> {
      await (page.minPosition === undefined ? reachOwn(kind, lastWritten(tenant)) : reach(kind, page));
      const { data, nextKey, position } =
        kind === 'customer'
          ? await listCustomers.execute(new ListCustomers(tenant, filters, page))
          : await listCatalog.execute(new ListCatalog(tenant, kind, filters, page));
      return { data, nextCursor: nextKey, position };
    },
  };
}
