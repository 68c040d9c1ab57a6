import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { AccessScope, ClientBudget, ClientLimits, ModelManagerError } from '@aimm/contracts';
import type { AccessToken as StoredAccessToken } from '../generated/sqlite/client.ts';
import type { Client } from './client.ts';
import type { AccessToken, AccessTokenRepository } from './database.ts';
import { isUniqueViolation } from './failures.ts';
import { toStorable } from './storable.ts';

/** 256 bits: nobody guesses one, however many there are. */
const randomBytesPerToken = 32;
const shownChars = 4;
const tokenForm = new RegExp(`^aimm_[0-9a-f]{${randomBytesPerToken * 2}}$`);

/**
 * A token's place in the table. One round of SHA-256 and no salt: what makes passwords need more is that people choose
 * them. A token is 256 random bits, so there is no list to try, and its hash must be found without knowing whose it is.
 */
function toHash(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** `now`: epoch milliseconds. */
export function createAccessTokens(client: Client, now: () => number): AccessTokenRepository {
  const order = [{ name: 'asc' as const }, { createdAt: 'asc' as const }, { id: 'asc' as const }];
  const at = () => BigInt(Math.round(now()));

  return {
    list: async () => (await client.accessToken.findMany({ orderBy: order })).map(toAccessToken),
    create: async ({ name, scopes, limits = {}, budgets = [], expiresAt }) => {
      // What has expired opens nothing any more: its name is free.
      await client.accessToken.updateMany({
        where: { liveName: name, expiresAt: { lte: at() } },
        data: { liveName: null },
      });
      // The prefix is for secret scanners, and letters and digits alone for whoever selects it with a double click.
      const token = `aimm_${randomBytes(randomBytesPerToken).toString('hex')}`;
      const data = {
        id: `tok_${randomUUID()}`,
        name,
        liveName: name,
        hash: toHash(token),
        fingerprint: `…${token.slice(-shownChars)}`,
        scopes: toStorable([...scopes]),
        limits: toStorable(limits),
        budgets: toStorable([...budgets]),
        createdAt: at(),
        ...(expiresAt !== undefined && { expiresAt: BigInt(Math.round(expiresAt)) }),
      };
      const stored = await client.accessToken.create({ data }).catch((error: unknown) => {
        throw isUniqueViolation(error) ? nameTaken(name) : error;
      });
      return { ...toAccessToken(stored), token };
    },
    revoke: async (nameOrId) => {
      const found = await client.accessToken.findFirst({
        where: { revokedAt: null, OR: [{ liveName: nameOrId }, { id: nameOrId }] },
      });
      if (found === null) return undefined;
      const revokedAt = at();
      const { count } = await client.accessToken.updateMany({
        where: { id: found.id, revokedAt: null },
        data: { revokedAt, liveName: null },
      });
      return count === 0 ? undefined : toAccessToken({ ...found, revokedAt, liveName: null });
    },
    find: async (token) => {
      if (!tokenForm.test(token)) return undefined;
      const hash = toHash(token);
      const stored = await client.accessToken.findUnique({ where: { hash } });
      // The index compares as it likes; what its time might tell is of a hash, and this is what decides.
      if (stored === null || !timingSafeEqual(Buffer.from(stored.hash), Buffer.from(hash))) return undefined;
      const isLive = stored.revokedAt === null && (stored.expiresAt === null || stored.expiresAt > at());
      return isLive ? toAccessToken(stored) : undefined;
    },
    recordUse: async (id, usedAt) => {
      const lastUsedAt = BigInt(Math.round(usedAt));
      await client.accessToken.updateMany({
        where: { id, OR: [{ lastUsedAt: null }, { lastUsedAt: { lt: lastUsedAt } }] },
        data: { lastUsedAt },
      });
    },
  };
}

function nameTaken(name: string): ModelManagerError {
  return new ModelManagerError('invalid_request', `There is a live token called "${name}" already.`, {
    hint: `Choose another --name, or revoke that one first (\`aimm tokens revoke ${name}\`): a new one of its name sees what it has asked.`,
  });
}

function toAccessToken(stored: StoredAccessToken): AccessToken {
  const { id, name, fingerprint, createdAt, expiresAt, revokedAt, lastUsedAt } = stored;
  return {
    id,
    name,
    fingerprint,
    scopes: AccessScope.array().parse(stored.scopes),
    limits: ClientLimits.parse(stored.limits),
    budgets: ClientBudget.array().parse(stored.budgets),
    createdAt: Number(createdAt),
    ...(expiresAt !== null && { expiresAt: Number(expiresAt) }),
    ...(revokedAt !== null && { revokedAt: Number(revokedAt) }),
    ...(lastUsedAt !== null && { lastUsedAt: Number(lastUsedAt) }),
  };
}
