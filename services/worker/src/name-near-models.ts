import type { Catalog } from '@aimm/catalog';
import { type GeneratePayload, ModelManagerError } from '@aimm/contracts';

/** A vendor's "no such model" with the names of the catalog that come nearest: vendors name none. */
export function nameNearModels(
  error: ModelManagerError,
  { provider, request }: Pick<GeneratePayload, 'provider' | 'request'>,
  catalog: Pick<Catalog, 'suggestModels'>,
): ModelManagerError {
  if (error.code !== 'unknown_model') return error;
  const asked = `${provider}/${request.model}`;
  const near = catalog.suggestModels(asked).filter((name) => name !== asked);
  if (near.length === 0) return error;
  const hint = [`Did you mean ${near.join(', ')}?`, error.hint ?? ''].join(' ').trim();
  return new ModelManagerError(error.code, error.message, {
    ...error.toShape(),
    hint,
    vendorMessage: error.vendorMessage,
    cause: error,
  });
}
