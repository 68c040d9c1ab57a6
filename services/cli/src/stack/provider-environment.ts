import type { ProviderConfig } from '@aimm/catalog';
import type { RawEnvironment } from '@aimm/runtime';

/** What the stack must know of a provider to find its credentials. */
export type ProviderVariables = Pick<
  ProviderConfig,
  'id' | 'kind' | 'apiKeyVariables' | 'baseUrlVariable' | 'keyRequired' | 'baseUrl'
>;

/** The names of a provider's key and endpoint in an environment. */
export function variablesOf(provider: ProviderVariables): string[] {
  return [...provider.apiKeyVariables, provider.baseUrlVariable];
}

/**
 * The providers' variables out of several environments, the stack's own first. Each provider's come from one
 * environment only: a key must never meet the endpoint of somebody else's environment. The keys in the database belong to
 * the stack's own endpoint, so where there are any (`stored`: ids of providers) nobody may bring another. A key that its provider
 * refused is passed over for another of the same endpoint; where all were, the last one counts.
 */
export function mergeProviderEnvironments(
  providers: readonly ProviderVariables[],
  given: readonly RawEnvironment[],
  stored: readonly string[] = [],
  isRefused: (provider: string, key: string) => boolean = () => false,
): Record<string, string> {
  return Object.fromEntries(
    providers.flatMap((provider) => {
      const endpoint = (source: RawEnvironment | undefined) => source?.[provider.baseUrlVariable] ?? '';
      const sources = stored.includes(provider.id)
        ? given.filter((source) => endpoint(source) === endpoint(given[0]))
        : given;
      const keyOf = (source: RawEnvironment) => provider.apiKeyVariables.map((name) => source[name]).find(isSet);
      const keyed = sources.filter((source) => keyOf(source) !== undefined);
      const alike = keyed.filter((source) => endpoint(source) === endpoint(keyed[0]));
      const source =
        alike.find((candidate) => !isRefused(provider.id, keyOf(candidate) ?? '')) ??
        alike.at(-1) ??
        sources.find((candidate) => endpoint(candidate) !== '') ??
        {};
      return variablesOf(provider).flatMap((name) => {
        const value = source[name];
        return isSet(value) ? [[name, value]] : [];
      });
    }),
  );
}

/** Ids of the providers that could answer: a key is there, or none is needed and the endpoint answers. */
export async function findConfigured(
  providers: readonly ProviderVariables[],
  environment: Readonly<Record<string, string>>,
  answers: (url: string) => Promise<boolean> = endpointAnswers,
): Promise<string[]> {
  const found = await Promise.all(
    providers.map(async (provider) => {
      if (provider.apiKeyVariables.some((name) => isSet(environment[name]))) return [provider.id];
      const url = environment[provider.baseUrlVariable] ?? provider.baseUrl ?? defaultUrls[provider.kind];
      if (provider.keyRequired || url === undefined) return [];
      return (await answers(url)) ? [provider.id] : [];
    }),
  );
  return found.flat();
}

/** Where the SDK of a keyless kind looks by itself. */
const defaultUrls: Record<string, string> = { ollama: 'http://127.0.0.1:11434' };

/** Whether anything speaks HTTP there, whatever it says, within half a second. */
async function endpointAnswers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(500), redirect: 'manual' });
    await response.body?.cancel();
    return true;
  } catch {
    return false; // Refused, unknown host or silence: nothing there.
  }
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== '';
}
