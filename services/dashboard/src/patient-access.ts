import { createHash } from 'node:crypto';
import type { Access } from './access.ts';

/** So long after it was last checked the token of an admin is good for what goes by {@link createPatientAccess}. */
const awayForMs = 12 * 3_600_000;

/**
 * The same door for a page that tells of an outage, and must not close because of it: whoever came with a token of an admin is let
 * in while tokens cannot be checked. `now`: epoch milliseconds.
 */
export function createPatientAccess(access: Access, now: () => number): Pick<Access, 'demanded' | 'check'> {
  // By a hash: the token itself stays nowhere.
  const checkedAt = new Map<string, number>();
  return {
    demanded: access.demanded,
    async check(request) {
      const { authorization = '' } = request.headers;
      // A browser's session is no scraper.
      if (!/^Bearer /i.test(authorization)) return access.check(request);
      const hash = createHash('sha256').update(authorization).digest('base64');
      try {
        const admission = await access.check(request);
        if (admission === 'admitted') checkedAt.set(hash, now());
        else checkedAt.delete(hash);
        return admission;
      } catch (error) {
        if (now() - (checkedAt.get(hash) ?? -Infinity) < awayForMs) return 'admitted';
        throw error;
      }
    },
  };
}
