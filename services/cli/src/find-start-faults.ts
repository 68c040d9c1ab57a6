import { findUnknownProviders, loadCatalog } from '@aimm/catalog';
import { type ConfigFault, isLoopbackName, type RawEnvironment, type RuntimeEnvironment } from '@aimm/runtime';

/** What the processes of a stack would refuse to start for, found before any of them is started. */
export function findStartFaults(
  env: RuntimeEnvironment,
  raw: RawEnvironment,
  { http }: { http: boolean },
): ConfigFault[] {
  const { catalog, faults } = loadCatalog({ configDir: env.configDir, env: raw });
  const open = [...(http ? [env.HTTP_HOST] : []), env.DASHBOARD_HOST].find((host) => !isLoopbackName(host));
  return [
    ...faults,
    ...findUnknownProviders(catalog, env.WORKER_PROVIDERS),
    ...(open === undefined || raw['AIMM_AUTH_TOKEN'] !== undefined || env.AIMM_REQUIRE_TOKEN === 'on'
      ? []
      : [
          {
            source: 'environment',
            path: 'AIMM_AUTH_TOKEN',
            expected: `a token of at least 16 characters, since ${open} can be reached from other machines (or set AIMM_REQUIRE_TOKEN=on and make tokens with \`aimm tokens create\`)`,
          },
        ]),
  ];
}
