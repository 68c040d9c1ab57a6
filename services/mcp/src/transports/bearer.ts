import { type ModelManagerError, toModelManagerError } from '@aimm/contracts';
import type { Caller, Gate } from '@aimm/manager';
import { type AuthInfo, OAuthError, OAuthErrorCode } from '@modelcontextprotocol/server';
import type { RequestHandler, Response } from 'express';

const retrySeconds = 5;

/** Lets requests pass that the gate admits, with their caller in `req.auth`; others get 401 and a challenge. */
export function requireAdmission(gate: Gate): RequestHandler {
  return async (req, res, next) => {
    let caller: Caller | undefined;
    try {
      caller = await gate.admit(req.headers.authorization);
    } catch (error) {
      return sendUnavailable(res, toModelManagerError(error));
    }
    if (caller === undefined) return sendChallenge(res, req.headers.authorization !== undefined);
    // The SDK hands this on to the factory of servers. The token itself goes no further.
    Object.assign(req, { auth: toAuthInfo(caller) });
    next();
  };
}

/** Who sent a request that was admitted; undefined where nobody asked (stdio). */
export function findCaller(auth: AuthInfo | undefined): Caller | undefined {
  // Only what `requireAdmission` put there is ever there.
  return auth?.extra?.['caller'] as Caller | undefined;
}

function toAuthInfo(caller: Caller): AuthInfo {
  return { token: 'checked', clientId: caller.client, scopes: [...(caller.scopes ?? [])], extra: { caller } };
}

function sendChallenge(res: Response, given: boolean): void {
  const message = given
    ? 'This access token is unknown, expired or was revoked. Send a live one as “Authorization: Bearer …”, or no such header where none is asked for.'
    : 'An access token is needed: send “Authorization: Bearer …” with AIMM_AUTH_TOKEN, or with a token that `aimm tokens create` made.';
  const error = new OAuthError(OAuthErrorCode.InvalidToken, message);
  // A header holds no quotes within quotes, and no other letters than these.
  const description = message.replaceAll(/[“”"`]/g, "'").replaceAll('…', '...');
  res.set('WWW-Authenticate', `Bearer error="${error.code}", error_description="${description}"`);
  res.status(401).json(error.toResponseObject());
}

function sendUnavailable(res: Response, { message, hint = '' }: ModelManagerError): void {
  const error = new OAuthError(OAuthErrorCode.TemporarilyUnavailable, `${message} ${hint}`.trim());
  res.set('Retry-After', String(retrySeconds)).status(503).json(error.toResponseObject());
}
