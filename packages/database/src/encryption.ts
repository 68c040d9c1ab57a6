import { createCipheriv, createDecipheriv, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

/** Why a ciphertext gives nothing back. */
export class DecryptionError extends Error {
  readonly why: 'other_master_key' | 'changed' | 'unknown_form';

  constructor(why: DecryptionError['why']) {
    super(`cannot decrypt: ${why}`);
    this.name = 'DecryptionError';
    this.why = why;
  }
}

const version = '1';
const cipherName = 'aes-256-gcm';
const ivBytes = 12;
const tagBytes = 16;
const saltBytes = 16;
const keyBytes = 32;
const checkBytes = 16;
/** About 80 ms and 32 MB: a master key may be a passphrase, and each row has a salt of its own. */
const cost = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 2 ** 20 };

/**
 * AES-256-GCM as `version.salt.check.iv.tag.data`, each part base64url. `context` says what the secret belongs to: it is
 * authenticated and not stored, so that a ciphertext cannot be moved to another row.
 */
export async function encryptSecret(secret: string, masterKey: string, context: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  const iv = randomBytes(ivBytes);
  const { key, check } = await deriveKey(masterKey, salt);
  const cipher = createCipheriv(cipherName, key, iv, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.from(context));
  const data = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
  const parts = [salt, check, iv, cipher.getAuthTag(), data];
  return [version, ...parts.map((part) => part.toString('base64url'))].join('.');
}

/** @throws DecryptionError */
export async function decryptSecret(ciphertext: string, masterKey: string, context: string): Promise<string> {
  const [found, ...encoded] = ciphertext.split('.');
  const [salt, check, iv, tag, data] = encoded.map((part) => Buffer.from(part, 'base64url'));
  if (found !== version || !salt || iv?.length !== ivBytes || tag?.length !== tagBytes || !data) {
    throw new DecryptionError('unknown_form');
  }
  const derived = await deriveKey(masterKey, salt);
  // GCM alone cannot tell a wrong key from a changed ciphertext, and a person must know which of the two to mend.
  if (check?.length !== checkBytes || !timingSafeEqual(check, derived.check)) {
    throw new DecryptionError('other_master_key');
  }
  const decipher = createDecipheriv(cipherName, derived.key, iv, { authTagLength: tagBytes });
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(data), decipher.final()]).toString('utf8');
  } catch {
    throw new DecryptionError('changed');
  }
}

/** The salt: another one for each encryption, and known to whoever has the ciphertext. */
export function toSeal(ciphertext: string): string {
  return ciphertext.split('.')[1] ?? '';
}

function deriveKey(masterKey: string, salt: Buffer): Promise<{ key: Buffer; check: Buffer }> {
  return new Promise((resolve, reject) => {
    // Async: it runs in the thread pool and blocks nothing.
    scrypt(masterKey, salt, keyBytes + checkBytes, cost, (error, derived) => {
      if (error === null) resolve({ key: derived.subarray(0, keyBytes), check: derived.subarray(keyBytes) });
      else reject(error);
    });
  });
}
