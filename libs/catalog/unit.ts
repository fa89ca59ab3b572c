import { MAX_SCALE } from '#libs/kernel';
import type { Issue } from '#libs/kernel';
import { CURRENCIES } from './currency.js';
import type { Document, DocumentKind } from './document.js';

export const UNIT_KINDS = ['usage', 'monetary', 'custom'] as const;

export type Unit = {
  /** The unit's id. */
  readonly code: string;
  readonly kind: (typeof UNIT_KINDS)[number];
  /** Decimals an amount keeps, 0 to 12. */
  readonly scale: number;
  readonly name?: string | undefined;
};

export const DEFAULT_SCALE = 6;

export const unitKind: DocumentKind<Unit, 'Unit'> = {
  category: 'unit',
  name: 'Unit',
  immutable: ['code', 'kind', 'scale'],
  missing: 'not_found',
  check({ code, kind, scale }) {
    const issues: Issue[] = [];
    if (kind === 'monetary' && !CURRENCIES.has(code))
      issues.push({
        pointer: '/kind',
        code: 'currency_unknown',
        message: 'Only ISO 4217 currencies are monetary units.',
      });
    if (!Number.isInteger(scale) || scale < 0 || scale > MAX_SCALE)
      issues.push({ pointer: '/scale', code: 'out_of_range', message: `scale must be 0 to ${MAX_SCALE}.` });
    return issues;
  },
};

const EPOCH = '1970-01-01T00:00:00.000Z';

const CURRENCY_UNITS: ReadonlyMap<string, Document<Unit>> = new Map(
  [...CURRENCIES.values()].map(({ code, name }) => {
    const attributes: Unit = { code, kind: 'monetary', scale: DEFAULT_SCALE, name };
    const unit = {
      id: code,
      attributes,
      createdWith: attributes,
      createdAt: EPOCH,
      updatedAt: EPOCH,
      archivedAt: null,
    };
    return [code, unit];
  }),
);

/** The unit of an ISO 4217 currency: it exists without any event. Its amounts are minor units. Null for other codes. */
export const currencyUnit = (code: string): Document<Unit> | null => CURRENCY_UNITS.get(code) ?? null;

/** All units that exist from the start, ordered by code. */
export const currencyUnits = (): readonly Document<Unit>[] => [...CURRENCY_UNITS.values()];
