import { hash } from 'node:crypto';
import { canonicalJson, type Json } from '#libs/kernel';

/** Short plain values are kept as they are; everything else as 60 bits of its SHA-256. */
const PLAIN = /^[A-Za-z0-9_."-]{1,24}$/;

/**
 * What a caller sent, in a form that tells whether another input is the same and, if not, which members differ:
 * `amount="5";customerId="cus_1"`, members in order. Stored with the first event of a command.
 */
export function fingerprintOf(input: { readonly [member: string]: Json | undefined }): string {
  let text = '';
  for (const member of Object.keys(input).sort()) {
    const value = input[member];
    if (value === undefined) continue;
    const canonical = canonicalJson(value);
    text += `${text === '' ? '' : ';'}${member}=${PLAIN.test(canonical) ? canonical : `#${hash('sha256', canonical, 'base64url').slice(0, 10)}`}`;
  }
  return text;
}

/** Names of the members in which two fingerprints differ, in order; empty when they are the same. */
export function differingMembers(first: string, second: string): readonly string[] {
  if (first === second) return [];
  const a = members(first);
  const b = members(second);
  return [...new Set([...a.keys(), ...b.keys()])].filter((name) => a.get(name) !== b.get(name)).sort();
}

const members = (fingerprint: string): Map<string, string> =>
  new Map(
    fingerprint
      .split(';')
      .filter((part) => part !== '')
      .map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]),
  );
