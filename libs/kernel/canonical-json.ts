/** A JSON value, as it is stored. */
export type Json =
  null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/**
 * The RFC 8785 form of a JSON value: members sorted by UTF-16 code units, no white space. `undefined` members are left out.
 * What is hashed, compared and stored has this form, so it is the same in every process, locale and Node version.
 */
export function canonicalJson(value: Json | undefined): string {
  // what is in order already is what JSON.stringify writes, and that is much faster
  if (isInOrder(value)) return JSON.stringify(value);
  if (value === undefined) return 'null';
  if (value === null || typeof value !== 'object') throw new Error('not a JSON number');
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item as Json)).join(',')}]`;
  const members = value as { readonly [key: string]: Json | undefined };
  let text = '';
  for (const key of Object.keys(members).sort()) {
    const member = members[key];
    if (member !== undefined)
      text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${canonicalJson(member)}`;
  }
  return `{${text}}`;
}

/** Whether a value is JSON and its members, unset ones aside, stand in canonical order. */
function isInOrder(value: unknown): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value !== 'object') return typeof value === 'number' && Number.isFinite(value);
  if (Array.isArray(value)) return value.every(isInOrder);
  let last: string | undefined;
  for (const key in value) {
    const member = (value as Record<string, unknown>)[key];
    if (member === undefined) continue;
    if ((last !== undefined && last >= key) || !isInOrder(member)) return false;
    last = key;
  }
  return true;
}

/**
 * The value with the members of its objects in the order of {@link canonicalJson}, unset ones left out: what reading it
 * back from the log would give. The value itself where it is in that order already, unset members and all.
 */
export function inCanonicalOrder<Value>(value: Value): Value {
  if (value === null || typeof value !== 'object' || isInOrder(value)) return value;
  if (Array.isArray(value)) return value.map(inCanonicalOrder) as Value;
  const members = value as Record<string, unknown>;
  // not by assignment: a member may be called `__proto__`
  return Object.fromEntries(
    Object.keys(members)
      .sort()
      .filter((key) => members[key] !== undefined)
      .map((key) => [key, inCanonicalOrder(members[key])]),
  ) as Value;
}
