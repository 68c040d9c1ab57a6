import { createHash } from 'node:crypto';
import type { RawEnvironment } from './env.ts';

/** What opens the keys in the database, so it belongs where they do. */
export const masterKeyVariables = ['AIMM_MASTER_KEY', 'AIMM_NEW_MASTER_KEY'] as const;

/**
 * The environment without the providers' keys, and what opens the stored ones, for processes that have no use for them.
 * `keyVariables`: those that the configuration names; every `*_API_KEY` counts as one besides.
 */
export function withoutProviderKeys(raw: RawEnvironment, keyVariables: readonly string[] = []): RawEnvironment {
  const kept: readonly string[] = masterKeyVariables;
  return Object.fromEntries(
    Object.entries(raw).filter(([name]) => !isProviderKey(name, keyVariables) && !kept.includes(name)),
  );
}

export function isProviderKey(name: string, keyVariables: readonly string[] = []): boolean {
  return name.endsWith('_API_KEY') || keyVariables.includes(name);
}

/** The same for the same key in every process, wherever that came from; eight bytes of a hash give no key away. */
export function toKeyMark(provider: string, secret: string): string {
  return createHash('sha256').update(`aimm key lease\0${provider}\0${secret}`).digest('hex').slice(0, 16);
}

/** The values of an environment that must never be printed: keys, tokens and the passwords inside URLs. */
export function secretsOf(raw: RawEnvironment): string[] {
  return Object.entries(raw).flatMap(([name, value = '']) => {
    if (value === '') return [];
    if (/_(API_KEY|KEY|TOKEN)$/.test(name)) return [value];
    const isProxy = /_proxy$/i.test(name);
    const address = isProxy && !value.includes('://') ? `http://${value}` : value;
    if ((!isProxy && !name.endsWith('_URL')) || !URL.canParse(address)) return [];
    const { password, searchParams } = new URL(address);
    // PostgreSQL's clients take it as a parameter, too.
    const found = [password, decode(password), searchParams.get('password') ?? ''];
    return [...new Set(found)].filter((secret) => secret !== '');
  });
}

/** The text itself where its percent signs encode nothing, as lenient clients take it. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
