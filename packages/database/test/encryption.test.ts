import { describe, expect, it } from 'vitest';
import { decryptSecret, DecryptionError, encryptSecret } from '../src/encryption.ts';

const master = 'correct horse battery staple';
const secret = 'sk-planted-ÄÖ-0123456789';
const context = 'api_keys/openai/key_1';

/** The ciphertext with one part replaced. */
function change(ciphertext: string, part: number, replace: (bytes: Buffer) => Buffer): string {
  const parts = ciphertext.split('.');
  parts[part] = replace(Buffer.from(parts[part] ?? '', 'base64url')).toString('base64url');
  return parts.join('.');
}

const flipBit = (bytes: Buffer) => {
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  return bytes;
};

describe('an encrypted key', () => {
  it('comes back whole under its master key, and shows nothing of itself', async () => {
    const ciphertext = await encryptSecret(secret, master, context);
    expect(ciphertext).toMatch(/^1(\.[\w-]+){5}$/);
    expect(ciphertext).not.toContain('planted');
    expect(Buffer.from(ciphertext.split('.').at(-1) ?? '', 'base64url').toString()).not.toContain('planted');
    expect(await decryptSecret(ciphertext, master, context)).toBe(secret);
  });

  it('never looks the same twice', async () => {
    const [one, other] = await Promise.all([1, 2].map(() => encryptSecret(secret, master, context)));
    const shared = one?.split('.').filter((part) => other?.split('.').includes(part));
    expect(shared).toEqual(['1']);
  });

  it('says so when the master key is another', async () => {
    const ciphertext = await encryptSecret(secret, master, context);
    await expect(decryptSecret(ciphertext, `${master}.`, context)).rejects.toMatchObject({ why: 'other_master_key' });
  });

  it.each([
    ['iv', 3],
    ['tag', 4],
    ['data', 5],
  ])('gives nothing when its %s was changed', async (_name, part) => {
    const changed = change(await encryptSecret(secret, master, context), part, flipBit);
    await expect(decryptSecret(changed, master, context)).rejects.toMatchObject({ why: 'changed' });
  });

  it('gives nothing in the place of another provider or row', async () => {
    const ciphertext = await encryptSecret(secret, master, context);
    for (const other of ['api_keys/openai/key_2', 'api_keys/mistral/key_1', '']) {
      await expect(decryptSecret(ciphertext, master, other)).rejects.toMatchObject({ why: 'changed' });
    }
  });

  it('gives nothing with a shortened tag, which would be guessed sooner', async () => {
    const shortened = change(await encryptSecret(secret, master, context), 4, (tag) => tag.subarray(0, 4));
    await expect(decryptSecret(shortened, master, context)).rejects.toMatchObject({ why: 'unknown_form' });
  });

  it.each(['', '1', '1.a.b', '2.a.b.c.d.e', 'sk-plain'])('is not taken for one: %j', async (text) => {
    const error: unknown = await decryptSecret(text, master, context).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DecryptionError);
    expect(error).toMatchObject({ why: 'unknown_form' });
  });
});
