import type { ConfigFault, ProviderConfig } from './catalog.ts';
import { BaseUrl, type ProviderEntry } from './config-schemas.ts';
import { keylessKinds } from './provider-kinds.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** An entry of config/providers.json with its defaults filled in and the environment's `<PROVIDER>_…` on top. */
export function applyEnvironment(
  entry: ProviderEntry,
  env: Environment,
): { provider: ProviderConfig; faults: ConfigFault[] } {
  const prefix = entry.id.toUpperCase().replaceAll('-', '_');
  const faults: ConfigFault[] = [];
  const read = <T>(variable: string, parse: (value: string) => T | undefined, expected: string): T | undefined => {
    const value = env[variable]?.trim();
    // An empty variable is how shells and compose files say "unset".
    if (value === undefined || value === '') return undefined;
    const parsed = parse(value);
    if (parsed === undefined) faults.push({ source: 'environment', path: variable, expected });
    return parsed;
  };
  const readCount = (name: string) => read(`${prefix}_${name}`, parseCount, 'a whole number of at least 1');
  const baseUrlVariable = `${prefix}_BASE_URL`;
  const baseUrl = read(
    baseUrlVariable,
    parseBaseUrl,
    'an http:// or https:// address without user name, password, query or fragment',
  );

  const provider: ProviderConfig = {
    ...entry,
    name: entry.name ?? entry.id,
    apiKeyVariables: entry.apiKeyVariables ?? [`${prefix}_API_KEY`],
    keyRequired: entry.keyRequired ?? !keylessKinds.has(entry.kind),
    baseUrlVariable,
    ...definedOnly({
      baseUrl,
      concurrency: readCount('CONCURRENCY'),
      requestsPerMinute: readCount('RPM'),
      tokensPerMinute: readCount('TPM'),
    }),
  };
  return { provider, faults };
}

function parseCount(value: string): number | undefined {
  const number = /^\d+$/.test(value) ? Number(value) : 0;
  return Number.isSafeInteger(number) && number >= 1 ? number : undefined;
}

function parseBaseUrl(value: string): string | undefined {
  return BaseUrl.safeParse(value).data;
}

function definedOnly<T extends object>(values: T): { [K in keyof T]?: NonNullable<T[K]> } {
  // Object.entries loses the key types; what is left of `values` keeps them.
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}
