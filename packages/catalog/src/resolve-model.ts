import { type ModelInfo, type ModelPrices, ModelManagerError, type Warning } from '@aimm/contracts';
import type { Catalog, ProviderConfig, ResolvedModel } from './catalog.ts';
import { toListedId } from './model-names.ts';
import { suggestNames } from './suggest-models.ts';

interface ResolverSources {
  /** In the order of providers.json, which decides between two that serve the same id. */
  providers: readonly ProviderConfig[];
  /** `provider/model-id` of every catalog entry. */
  entryNames: readonly string[];
  findModel: (provider: string, model: string) => ModelInfo | undefined;
  pricesOf: (provider: string, model: string) => ModelPrices | undefined;
}

export function createResolver(sources: ResolverSources): Pick<Catalog, 'resolveModel' | 'suggestModels'> {
  const { providers, entryNames, findModel, pricesOf } = sources;

  const findListed = (provider: ProviderConfig, model: string, listed: readonly ModelInfo[]): ModelInfo | undefined => {
    const id = toListedId(model, provider.kind);
    return listed.find((info) => info.provider === provider.id && toListedId(info.id, provider.kind) === id);
  };

  const resolve = (provider: ProviderConfig, model: string, listed: readonly ModelInfo[]): ResolvedModel => {
    const prices = pricesOf(provider.id, model);
    const fromListing = findListed(provider, model, listed);
    const info = findModel(provider.id, model) ?? (fromListing && { ...fromListing, ...(prices && { prices }) });
    const warnings: Warning[] = [];
    const name = `${provider.id}/${model}`;
    if (info === undefined) {
      const price = prices === undefined ? ' Its price is unknown.' : '';
      warnings.push({
        code: 'unknown_model',
        message: `The catalog does not know ${name}; it is sent as it is.${price}`,
      });
    } else if (prices === undefined) {
      warnings.push({ code: 'unknown_price', message: `The price of ${name} is unknown.` });
    }
    return { provider, model, ...(info !== undefined && { info }), warnings };
  };

  /** The providers that serve a bare id: by the catalog, else by what they list. */
  const findServing = (model: string, listed: readonly ModelInfo[]): ProviderConfig[] => {
    const inCatalog = providers.filter((provider) => findModel(provider.id, model) !== undefined);
    if (inCatalog.length > 0) return inCatalog;
    return providers.filter((provider) => findListed(provider, model, listed) !== undefined);
  };

  const suggestModels = (name: string, listed: readonly ModelInfo[] = []): string[] =>
    suggestNames(name, [...entryNames, ...listed.map((info) => `${info.provider}/${info.id}`)]);

  return {
    suggestModels,
    resolveModel(asked, listed = []) {
      const name = asked.trim();
      const slash = name.indexOf('/');
      const explicit = slash > 0 ? providers.find((provider) => provider.id === name.slice(0, slash)) : undefined;
      const model = name.slice(slash + 1);
      if (explicit !== undefined && model !== '') return resolve(explicit, model, listed);

      const [first, ...others] = findServing(name, listed);
      if (first === undefined) {
        const asked =
          slash > 0 ? { prefix: name.slice(0, slash), providers: providers.map(({ id }) => id) } : undefined;
        throw unknownModel(name, suggestModels(name, listed), asked);
      }
      const resolved = resolve(first, name, listed);
      if (others.length === 0) return resolved;
      const choices = others.map(({ id }) => `${id}/${name}`).join(', ');
      const message = `${name} is served by more than one provider; ${first.id}/${name} was taken. Also: ${choices}.`;
      return { ...resolved, warnings: [...resolved.warnings, { code: 'other', message }] };
    },
  };
}

/** `asked`: what stands before the slash, which names a provider or is part of the model's own name. */
function unknownModel(
  name: string,
  near: readonly string[],
  asked: { prefix: string; providers: readonly string[] } | undefined,
): ModelManagerError {
  const isUnknownProvider = asked !== undefined && !asked.providers.includes(asked.prefix);
  const hints = [
    near.length > 0
      ? `Did you mean ${near.join(', ')}?`
      : 'list_models shows what can be asked; provider/model-id asks for a model that is not listed.',
    ...(asked === undefined ? [] : [`The providers are ${asked.providers.join(', ')}.`]),
  ];
  const why = isUnknownProvider ? `: unknown provider "${shorten(asked.prefix)}"` : '';
  return new ModelManagerError('unknown_model', `There is no model called "${shorten(name)}"${why}.`, {
    hint: hints.join(' '),
  });
}

/** Whatever was passed as a model's name comes back in the message: not all of it. */
function shorten(name: string): string {
  return name.length <= 100 ? name : `${name.slice(0, 100)}…`;
}
