import { isLoopbackName, type ConfigFault, type RuntimeEnvironment } from '@aimm/runtime';

/** Where the dashboard listens and who may see it. */
export interface DashboardSettings {
  host: string;
  /** 0: any free port. */
  port: number;
  /** Demanded of everybody where set. */
  token: string | undefined;
  /** Whether a token is demanded where that one is not set. */
  requireToken: boolean;
}

/** Jobs hold prompts and answers: an address that others reach needs a token. */
export function toSettings(
  env: Pick<RuntimeEnvironment, 'DASHBOARD_HOST' | 'DASHBOARD_PORT' | 'AIMM_AUTH_TOKEN' | 'AIMM_REQUIRE_TOKEN'>,
): {
  settings: DashboardSettings;
  faults: ConfigFault[];
} {
  const { DASHBOARD_HOST: host, DASHBOARD_PORT: port, AIMM_AUTH_TOKEN: token } = env;
  const expected = `a token of at least 16 characters, since DASHBOARD_HOST ${host} can be reached from other machines (or set AIMM_REQUIRE_TOKEN=on, or DASHBOARD_HOST=127.0.0.1)`;
  const requireToken = env.AIMM_REQUIRE_TOKEN === 'on';
  const open = token === undefined && !requireToken && !isLoopbackName(host);
  return {
    settings: { host, port, token, requireToken },
    faults: open ? [{ source: 'environment', path: 'AIMM_AUTH_TOKEN', expected }] : [],
  };
}
