import { createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Caller, Gate } from '@aimm/manager';
import { isEqualInConstantTime } from '@aimm/runtime/constant-time';
import { createSessionBox } from './session-box.ts';

export const sessionCookie = 'aimm_dashboard';
export const sessionMs = 12 * 3_600_000;

/** `not_admin`: an access token that is good, for other things. */
export type Admission = 'admitted' | 'not_admin' | 'refused';

/**
 * Who may see the dashboard. It shows what everybody asked and was answered, so it is for admins: whoever has `AIMM_AUTH_TOKEN` or an
 * access token with the scope `admin`, or a session that was opened with one; everybody where no token is asked for and none is brought.
 */
export interface Access {
  readonly demanded: boolean;
  /** @throws unavailable where an access token cannot be checked */
  check(request: IncomingMessage): Promise<Admission>;
  /** The value of a session's cookie, or why there is none. @throws unavailable */
  openSession(givenToken: string): Promise<{ cookie: string } | Exclude<Admission, 'admitted'>>;
}

export interface AccessOptions {
  gate: Gate;
  /** `AIMM_AUTH_TOKEN`. */
  token: string | undefined;
  /** Epoch milliseconds. */
  now: () => number;
}

/**
 * Sessions are kept nowhere. The cookie of one that AIMM_AUTH_TOKEN opened is its own proof, and void when that changes; that of an
 * access token has the token in it, sealed, and is checked like the token itself: it ends when that is revoked.
 */
export function createAccess({ gate, token, now }: AccessOptions): Access {
  const box = createSessionBox(token);
  const sign = (expiresAt: number) =>
    createHmac('sha256', token ?? '')
      .update(`dashboard session until ${expiresAt}`)
      .digest('base64url');
  const isSession = (cookie: string) => {
    const [, until = '', proof = ''] = /^(\d{1,15})\.([\w-]+)$/.exec(cookie) ?? [];
    return token !== undefined && isEqualInConstantTime(proof, sign(Number(until))) && Number(until) > now();
  };
  const checkCookie = async (cookie: string): Promise<Admission> => {
    if (isSession(cookie)) return 'admitted';
    const [, until = '', sealed = ''] = /^(\d{1,15}) (\S+)$/.exec(box.open(cookie) ?? '') ?? [];
    return Number(until) > now() ? toAdmission(await gate.admitToken(sealed)) : 'refused';
  };
  return {
    demanded: gate.demanded,
    async check({ headers }) {
      // A header that is no bearer token leaves it to the cookie.
      if (!gate.demanded || /^Bearer /i.test(headers.authorization ?? ''))
        return toAdmission(await gate.admit(headers.authorization));
      const found = await Promise.all(readCookies(headers.cookie, sessionCookie).map(checkCookie));
      return found.find((one) => one === 'admitted') ?? found.find((one) => one === 'not_admin') ?? 'refused';
    },
    async openSession(given) {
      const expiresAt = now() + sessionMs;
      if (token !== undefined && isEqualInConstantTime(given, token))
        return { cookie: `${expiresAt}.${sign(expiresAt)}` };
      const admission = toAdmission(await gate.admitToken(given));
      return admission === 'admitted' ? { cookie: box.seal(`${expiresAt} ${given}`) } : admission;
    },
  };
}

function toAdmission(caller: Caller | undefined): Admission {
  if (caller === undefined) return 'refused';
  return caller.admin ? 'admitted' : 'not_admin';
}

/** Every value under this name: browsers send one per path. */
function readCookies(header: string | undefined, name: string): string[] {
  return (header ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
}
