import type { ResolvedModel } from '@aimm/catalog';
import { ModelManagerError } from '@aimm/contracts';
import type { Resources } from './resources.ts';

/** Says so at once where every worker that reports lacks the key; where none reports, the job waits for one. @throws authentication */
export async function requireConfigured(
  { providers }: Pick<Resources, 'providers'>,
  models: readonly ResolvedModel[],
): Promise<void> {
  const isPossible = async (fresh: boolean) => {
    const states = await Promise.all(models.map(({ provider }) => providers.isConfigured(provider.id, { fresh })));
    return states.some((state) => state !== false);
  };
  // Before a refusal the workers are looked at again: keys may have come a moment ago.
  if ((await isPossible(false)) || (await isPossible(true))) return;
  const [first] = models;
  const { id, apiKeyVariables } = first?.provider ?? { id: '', apiKeyVariables: [] };
  const [variable] = apiKeyVariables;
  throw new ModelManagerError('authentication', `The provider "${id}" is not configured.`, {
    provider: id,
    hint:
      variable === undefined
        ? `Is it running? check_health shows what "${id}" lacks.`
        : `Set ${variable} where the worker runs (with the local stack: where this client starts), or store a key with \`aimm keys add ${id}\`, then ask again.`,
  });
}
