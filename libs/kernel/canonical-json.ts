/** A JSON value, as it is stored. */
export type Json =
  null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/**
 * The RFC 8785 form of a JSON value: members sorted by UTF-16 code units, no white space. `undefined` members are left out.
 * What is hashed, compared and stored has this form, so it is the same in every process, locale and Node version.
 */
export function canonicalJson(value: Json | undefined): string {
  if (value === null || typeof value !== 'object') {
    if (typeof value === 'number' && !Number.isFinite(value)) throw new Error('not a JSON number');
    return JSON.stringify(value) ?? 'null';
  }
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item as Json)).join(',')}]`;
  const members = value as { readonly [key: string]: Json | undefined };
  const keys = Object.keys(members).sort();
  let text = '';
  for (const key of keys) {
    const member = members[key];
    if (member === undefined) continue;
    text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${canonicalJson(member)}`;
  }
  return `{${text}}`;
}

/**
 * The value with the members of its objects in the order of {@link canonicalJson}, unset ones left out: what reading it
 * back from the log would give. The value itself where it is in that order already.
 */
export function inCanonicalOrder<Value>(value: Value): Value {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) {
    const items = value.map(inCanonicalOrder);
    return items.every((item, index) => item === value[index]) ? value : (items as Value);
  }
  const members = value as Record<string, unknown>;
  const keys = Object.keys(members);
  let ordered = true;
  for (let index = 0; index < keys.length && ordered; index++) {
    const member = members[keys[index]!];
    ordered =
      member !== undefined &&
      (index === 0 || keys[index - 1]! < keys[index]!) &&
      inCanonicalOrder(member) === member;
  }
  if (ordered) return value;
  // not by assignment: a member may be called `__proto__`
  return Object.fromEntries(
    keys
      .sort()
      .filter((key) => members[key] !== undefined)
      .map((key) => [key, inCanonicalOrder(members[key])]),
  ) as Value;
}
