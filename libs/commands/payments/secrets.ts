import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';

/** Keeps secrets of others, so that the log, its exports and whoever reads them hold none in clear text. */
export interface Secrets {
  /** The same secret at the same place is the same text; at another place, or under another key, it opens nowhere. */
  seal(place: string, secret: string): string;
  /** Null: it was sealed at another place, or under another key. */
  open(place: string, sealed: string): string | null;
}

const VERSION = 'v1';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * AES-256-GCM with the place as associated data. The nonce is an HMAC of place and secret: it is the same for the same
 * message only, so libraries need no chance and a secret that is sent again changes nothing.
 * @param key 32 bytes
 */
export function createSecrets(key: Buffer): Secrets {
  const derived = (purpose: string): Buffer => createHmac('sha256', key).update(purpose).digest();
  const [encryption, nonces] = [derived('encryption'), derived('nonces')];
  return {
    seal(place, secret) {
      const nonce = createHmac('sha256', nonces)
        .update(JSON.stringify([place, secret]))
        .digest()
        .subarray(0, NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', encryption, nonce).setAAD(Buffer.from(place));
      const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
      return `${VERSION}.${Buffer.concat([nonce, text, cipher.getAuthTag()]).toString('base64url')}`;
    },
    open(place, sealed) {
      const [version, body = ''] = sealed.split('.');
      const bytes = Buffer.from(body, 'base64url');
      if (version !== VERSION || bytes.length < NONCE_BYTES + TAG_BYTES) return null;
      const decipher = createDecipheriv('aes-256-gcm', encryption, bytes.subarray(0, NONCE_BYTES))
        .setAAD(Buffer.from(place))
        .setAuthTag(bytes.subarray(-TAG_BYTES));
      try {
        const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
        return Buffer.concat([text, decipher.final()]).toString('utf8');
      } catch {
        return null;
      }
    },
  };
}
