import type { RawEnvironment } from '@aimm/runtime';

/** What a client hands its stack: provider keys and endpoints, by name. */
export function pickHandover(raw: RawEnvironment, keyVariables?: readonly string[]): Record<string, string> {
  const isKey = (name: string) => keyVariables?.includes(name) ?? name.endsWith('_API_KEY');
  return Object.fromEntries(
    Object.entries(raw).flatMap(([name, value]) =>
      value !== undefined && value !== '' && (isKey(name) || name.endsWith('_BASE_URL')) ? [[name, value]] : [],
    ),
  );
}
