import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

const algorithm = 'aes-256-gcm';
const ivBytes = 12;
const tagBytes = 16;

/** Encrypts what a cookie carries: to its browser it is noise, and it cannot be changed. */
export interface SessionBox {
  seal(text: string): string;
  /** Undefined where it was not sealed here. */
  open(sealed: string): string | undefined;
}

/** Boxes of one `secret` open each other's; without one the box is this process's alone. */
export function createSessionBox(secret: string | undefined): SessionBox {
  const key =
    secret === undefined ? randomBytes(32) : createHash('sha256').update(`dashboard sessions\0${secret}`).digest();
  return {
    seal(text) {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv(algorithm, key, iv);
      const content = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return Buffer.concat([iv, cipher.getAuthTag(), content]).toString('base64url');
    },
    open(sealed) {
      const bytes = Buffer.from(sealed, 'base64url');
      // Of several spellings of the same bytes one is ours.
      if (bytes.length <= ivBytes + tagBytes || bytes.toString('base64url') !== sealed) return undefined;
      const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, ivBytes));
      decipher.setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
      try {
        return Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]).toString('utf8');
      } catch {
        // Sealed by another process, or made up.
        return undefined;
      }
    },
  };
}
