import { requireBearerAuth } from '@modelcontextprotocol/express';
import { OAuthError, OAuthErrorCode } from '@modelcontextprotocol/server';
import type { RequestHandler } from 'express';
import { createHash, timingSafeEqual } from 'node:crypto';

/** The SDK demands an expiry; a token from the environment holds as long as the process. */
const lifetimeSeconds = 3600;

/** Lets requests pass whose `Authorization: Bearer …` is the token; others get 401 and a challenge. */
export function requireToken(token: string): RequestHandler {
  const expected = digest(token);
  return requireBearerAuth({
    verifier: {
      async verifyAccessToken(given) {
        // Equal lengths, whatever was given: the comparison tells nothing by its time.
        if (!timingSafeEqual(digest(given), expected))
          throw new OAuthError(OAuthErrorCode.InvalidToken, 'This token is not the one in AIMM_AUTH_TOKEN.');
        const expiresAt = Math.floor(Date.now() / 1000) + lifetimeSeconds;
        return { token: 'AIMM_AUTH_TOKEN', clientId: 'local', scopes: [], expiresAt };
      },
    },
  });
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
