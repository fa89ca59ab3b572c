import type { DocumentKind } from './document.js';

/** Text by name, as callers attach it to objects: at most 50 members. */
export type Metadata = { readonly [name: string]: string };

export type Plan = {
  readonly planName: string;
  readonly planDescription?: string | undefined;
  readonly metadata?: Metadata | undefined;
};

export const planKind: DocumentKind<Plan, 'Plan'> = {
  category: 'plan',
  name: 'Plan',
  immutable: [],
  missing: 'not_found',
  check: () => [],
};
