import { formatAmount, issue, parseAmount } from '#libs/kernel';
import type { StoredId } from '#libs/kernel';
import type { DocumentKind } from './document.js';

export type FeatureType = 'boolean' | 'number' | 'string';

export type Feature = {
  /** Unique in the tenant; small letters, digits and dashes, 1 to 64. */
  readonly slug: string;
  readonly displayName: string;
  readonly description?: string | undefined;
  /** The default for everyone: a boolean, a canonical decimal string, or text. */
  readonly featureValue: boolean | string;
  readonly featureType: FeatureType;
  /** The meter that counts its usage; always set for a numeric feature. */
  readonly meterId?: StoredId | undefined;
};

/** How features and pricing tables are named. */
export const SLUG = /^[a-z0-9-]{1,64}$/;

export const featureKind: DocumentKind<Feature, 'Feature'> = {
  category: 'feature',
  name: 'Feature',
  immutable: ['slug', 'featureType', 'meterId'],
  missing: 'not_found',
  check: ({ slug, featureType, meterId }) => [
    ...(SLUG.test(slug) ? [] : [issue('/slug', 'slug_invalid', 'slug must be 1 to 64 of a-z, 0-9 and "-".')]),
    ...(featureType === 'number' && meterId === undefined
      ? [issue('/meterId', 'required', 'A numeric feature needs a meter.')]
      : []),
  ],
};

/** A value of a feature of this type, in canonical form; null: it does not fit. */
export function readValueOf(type: FeatureType, value: unknown): boolean | string | null {
  if (type === 'number') {
    const amount = parseAmount(value);
    return typeof amount === 'bigint' ? formatAmount(amount) : null;
  }
  return typeof value === type ? (value as boolean | string) : null;
}

/** The value decides the type: whole numbers and decimal strings are numeric, other strings are text. Null: not acceptable. */
export function readFeatureValue(value: unknown): Pick<Feature, 'featureValue' | 'featureType'> | null {
  if (typeof value === 'boolean') return { featureValue: value, featureType: 'boolean' };
  const amount = parseAmount(value);
  if (typeof amount === 'bigint') return { featureValue: formatAmount(amount), featureType: 'number' };
  return typeof value === 'string' ? { featureValue: value, featureType: 'string' } : null;
}
