import type { ResolvedModel } from '@aimm/catalog';
import type { Resources } from './resources.ts';

/**
 * The model of this name. One that this process does not know is looked for once more in what the configured providers list, for as
 * long as a choice waits for that; a name that is known waits for nobody. @throws unknown_model, or unavailable where Redis does not answer
 * who could be asked
 */
export async function resolveModelName(
  { catalog, listing, providers }: Pick<Resources, 'catalog' | 'listing' | 'providers'>,
  name: string,
): Promise<ResolvedModel> {
  try {
    return catalog.resolveModel(name, listing.known());
  } catch {
    await Promise.all(
      catalog.providers.map(async ({ id }) =>
        (await providers.isConfigured(id)) === true ? listing.readSoon(id) : [],
      ),
    );
    return catalog.resolveModel(name, listing.known());
  }
}
