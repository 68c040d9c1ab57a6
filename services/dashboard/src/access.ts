import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export const sessionCookie = 'aimm_dashboard';
export const sessionMs = 12 * 3_600_000;

/** Who may see the dashboard: whoever has the token, or a session that was opened with it; everybody where none is set. */
export interface Access {
  readonly demanded: boolean;
  allows(request: IncomingMessage): boolean;
  /** The value of a session's cookie, or undefined where the token is not the one. */
  openSession(givenToken: string): string | undefined;
}

/** Sessions are kept nowhere: their cookie is its own proof, and void when the token changes. */
export function createAccess(token: string | undefined, now: () => number): Access {
  if (token === undefined) return { demanded: false, allows: () => true, openSession: () => undefined };

  const isToken = (given: string) => equalInConstantTime(given, token);
  const sign = (expiresAt: number) =>
    createHmac('sha256', token).update(`dashboard session until ${expiresAt}`).digest('base64url');
  const isSession = (cookie: string) => {
    const [, until = '', proof = ''] = /^(\d{1,15})\.([\w-]+)$/.exec(cookie) ?? [];
    return equalInConstantTime(proof, sign(Number(until))) && Number(until) > now();
  };
  return {
    demanded: true,
    allows: ({ headers }) => {
      const [, bearer] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? [];
      return bearer === undefined ? readCookies(headers.cookie, sessionCookie).some(isSession) : isToken(bearer);
    },
    openSession(given) {
      if (!isToken(given)) return undefined;
      const expiresAt = now() + sessionMs;
      return `${expiresAt}.${sign(expiresAt)}`;
    },
  };
}

/** Digests are of one length, whatever was given: the comparison tells nothing by its time. */
function equalInConstantTime(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** Every value under this name: browsers send one per path. */
function readCookies(header: string | undefined, name: string): string[] {
  return (header ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
}
