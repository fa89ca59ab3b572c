import type { PriceComponent as Component } from '#libs/catalog';

/** Interim: what the catalogue's component gains with tiers. */
export type PriceComponent = Component & {
  readonly timezone?: string | undefined;
  readonly free_units?: string | undefined;
  readonly tiers?:
    | {
        readonly mode: 'graduated' | 'volume';
        readonly tiers: readonly {
          readonly upTo: string | null;
          readonly unit_cost_cents: string;
          readonly flat_cents?: string | undefined;
        }[];
      }
    | undefined;
};
