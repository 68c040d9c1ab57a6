import { isEqualInConstantTime } from '@aimm/runtime/constant-time';
import type { Caller } from './caller.ts';
import type { Manager } from './manager.ts';

/** Who asks without an access token: the owner of the machine, or of `AIMM_AUTH_TOKEN`. */
const localCaller: Caller = { client: 'local', admin: true };

export interface GateOptions {
  /** `AIMM_AUTH_TOKEN`: whoever brings it may do everything. */
  authToken: string | undefined;
  /** `AIMM_REQUIRE_TOKEN`. */
  requireToken: boolean;
  identify: Manager['identify'];
}

/** The door of everything that is reached over HTTP. */
export interface Gate {
  /** Nobody passes without a token. */
  readonly demanded: boolean;
  /**
   * Who a request with this `Authorization` header comes from; undefined: it may not pass. A token that is wrong never passes, also
   * where none is demanded: who was revoked must not come in as everybody.
   * @throws unavailable where the token cannot be checked
   */
  admit(authorization: string | undefined): Promise<Caller | undefined>;
  /** The same for a token that came by another way. */
  admitToken(token: string): Promise<Caller | undefined>;
}

export function createGate({ authToken, requireToken, identify }: GateOptions): Gate {
  const demanded = requireToken || authToken !== undefined;
  const admitToken: Gate['admitToken'] = async (token) => {
    if (authToken !== undefined && isEqualInConstantTime(token, authToken)) return localCaller;
    return identify(token);
  };
  return {
    demanded,
    admitToken,
    async admit(authorization) {
      const [, token] = /^Bearer +(\S+) *$/i.exec(authorization ?? '') ?? [];
      if (token !== undefined) return admitToken(token);
      const isMalformed = /^Bearer +\S/i.test(authorization ?? '');
      return demanded || isMalformed ? undefined : localCaller;
    },
  };
}
