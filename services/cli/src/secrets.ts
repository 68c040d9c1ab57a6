import type { RawEnvironment } from '@aimm/runtime';

/** The values of an environment that must never be printed. */
export function secretsOf(raw: RawEnvironment): string[] {
  return Object.entries(raw).flatMap(([name, value]) => (/_(API_KEY|KEY|TOKEN)$/.test(name) && value ? [value] : []));
}
