import { isProviderKey } from '@aimm/runtime';

/** Takes the providers' keys out of this process's environment: the front has no use for them and its children neither. */
export function forgetProviderKeys(keyVariables: readonly string[], env: NodeJS.ProcessEnv = process.env): void {
  for (const name of Object.keys(env)) if (isProviderKey(name, keyVariables)) delete env[name];
}
