import type { RawEnvironment } from '@aimm/runtime';

const isProviderKey = (name: string) => name.endsWith('_API_KEY');

/** Takes the providers' keys out of this process's environment: the front has no use for them and its children neither. */
export function forgetProviderKeys(env: NodeJS.ProcessEnv = process.env): void {
  for (const name of Object.keys(env)) if (isProviderKey(name)) delete env[name];
}

/** The environment without the providers' keys. */
export function withoutProviderKeys(raw: RawEnvironment): RawEnvironment {
  return Object.fromEntries(Object.entries(raw).filter(([name]) => !isProviderKey(name)));
}

/** The values of an environment that must never be printed: keys, tokens and the passwords inside URLs. */
export function secretsOf(raw: RawEnvironment): string[] {
  return Object.entries(raw).flatMap(([name, value = '']) => {
    if (/_(API_KEY|KEY|TOKEN)$/.test(name)) return [value];
    if (!name.endsWith('_URL') || !URL.canParse(value)) return [];
    const { password } = new URL(value);
    return password === '' ? [] : [password, decodeURIComponent(password)];
  });
}
