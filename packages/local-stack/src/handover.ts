import { isProviderKey, type RawEnvironment } from '@aimm/runtime';

/** What a client hands its stack: provider keys and endpoints, by name. */
export function pickHandover(raw: RawEnvironment, keyVariables?: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(raw).flatMap(([name, value]) =>
      value !== undefined && value !== '' && (isProviderKey(name, keyVariables) || name.endsWith('_BASE_URL'))
        ? [[name, value]]
        : [],
    ),
  );
}
