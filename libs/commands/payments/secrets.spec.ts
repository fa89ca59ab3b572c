import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createSecrets } from './secrets.js';

const secrets = createSecrets(Buffer.alloc(32, 1));

test('a secret opens where it was sealed, under the same key, unchanged; nowhere else', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.nat(), (place, secret, index) => {
      const sealed = secrets.seal(place, secret);
      expect(secrets.open(place, sealed)).toBe(secret);
      expect(secrets.seal(place, secret)).toBe(sealed);
      expect(secrets.open(`${place}x`, sealed)).toBeNull();
      expect(createSecrets(Buffer.alloc(32, 2)).open(place, sealed)).toBeNull();
      const bytes = Buffer.from(sealed.slice(3), 'base64url');
      bytes[index % bytes.length]! ^= 1;
      expect(secrets.open(place, `v1.${bytes.toString('base64url')}`)).toBeNull();
    }),
  );
  for (const none of ['', 'v1', 'v1.', 'v2.AAAA', 'whsec_x']) expect(secrets.open('p', none)).toBeNull();
});

test('what is sealed says nothing of the secret, nor which secrets are the same', () => {
  const [one, other] = [secrets.seal('a/stripe', 'whsec_same'), secrets.seal('b/stripe', 'whsec_same')];
  expect(one).not.toContain('whsec');
  expect(one.slice(0, 20)).not.toBe(other.slice(0, 20));
});
