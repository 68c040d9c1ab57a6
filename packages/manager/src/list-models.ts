import { type ModelInfo, ModelManagerError } from '@aimm/contracts';
import { matchesFilter, type ResolvedModel, toListedId } from '@aimm/catalog';
import { autoName } from './aliases.ts';
import { applyPreferences } from './apply-preferences.ts';
import { chooseModel } from './choose-model.ts';
import type { Caller } from './caller.ts';
import type { Manager } from './manager.ts';
import { openPool } from './pick-member.ts';
import type { ModelList } from './provider-views.ts';
import { resolveModelName } from './resolve-model-name.ts';
import type { Resources } from './resources.ts';

type Query = NonNullable<Parameters<Manager['listModels']>[0]>;

/** Kinds whose models nobody but the host itself knows: what is pulled there, what is served there. */
const hostKnowsBest: ReadonlySet<string> = new Set(['ollama', 'openai-compatible']);

/** The catalog's models together with what the providers list, and whether each can be asked now. */
export async function listModels(resources: Resources, query: Query = {}): Promise<ModelList> {
  const { catalog, listing, providers } = resources;
  if (query.provider !== undefined) requireKnownProvider(resources, query.provider);
  const { models: listed, answered, problems } = await listing.read(query.provider, query.refresh);
  const views = await providers.list();
  const kindOf = (provider: string) => catalog.findProvider(provider)?.kind ?? '';
  const keyOf = ({ provider, id }: ModelInfo) => `${provider}/${toListedId(id, kindOf(provider))}`;
  const byKey = new Map(listed.map((model) => [keyOf(model), model]));
  const asked = new Set(answered);

  const known = catalog.listModels(query);
  const merged = known.map((model): ModelInfo => {
    const own = byKey.get(keyOf(model));
    byKey.delete(keyOf(model));
    if (own !== undefined) return { ...own, ...model, source: 'both', listed: true };
    return asked.has(model.provider) ? { ...model, listed: false } : model;
  });
  const catalogued = new Set(catalog.listModels().map(keyOf));
  const extra = [...byKey.values()].filter(
    (model) => !catalogued.has(keyOf(model)) && isWanted(model, query) && matchesFilter(model, query),
  );

  /** A vendor lists a hundred ids, most of them not for text: shown when somebody looks for them. */
  function isWanted(model: ModelInfo, { provider, search, refresh }: Query): boolean {
    const isHosts = hostKnowsBest.has(kindOf(model.provider));
    return provider !== undefined || search !== undefined || refresh === true || isHosts;
  }

  const viewOf = new Map(views.map((view) => [view.id, view]));
  return {
    models: [...merged, ...extra]
      .toSorted((a, b) => compareText(a.provider, b.provider) || compareText(a.id, b.id))
      .map((model) => {
        const view = viewOf.get(model.provider);
        return {
          ...model,
          available: toAvailable(view?.configured, model.listed, catalog.findProvider(model.provider)),
          demo: view?.demo ?? false,
        };
      }),
    providers: views.filter(({ id }) => query.provider === undefined || id === query.provider),
    problems,
  };
}

export async function getModelInfo(
  resources: Resources,
  caller: Caller,
  name: string,
): ReturnType<Manager['getModelInfo']> {
  const { catalog, listing, providers } = resources;
  const resolved = await resolveName(resources, caller, name);
  const { id, kind } = resolved.provider;
  const configured = await providers.isConfigured(id);
  const { models, answered, problems } =
    configured === true ? await listing.read(id) : { models: [], answered: [], problems: [] };
  const own = models.find((model) => toListedId(model.id, kind) === toListedId(resolved.model, kind));
  const info: ModelInfo =
    own === undefined && resolved.info === undefined
      ? { provider: id, id: resolved.model, source: 'catalog' }
      : {
          ...own,
          ...resolved.info,
          provider: id,
          id: resolved.model,
          source: own === undefined ? 'catalog' : resolved.info === undefined ? 'provider' : 'both',
        };
  const listed = own !== undefined || (answered.includes(id) ? false : undefined);
  if (resolved.info === undefined && listed !== true) {
    const [problem] = problems;
    // Who could not be asked may have it.
    if (problem !== undefined) throw ModelManagerError.fromShape(problem.error);
    const near = catalog.suggestModels(name, listing.known());
    throw new ModelManagerError('unknown_model', `Neither the catalog nor ${id} knows a model "${resolved.model}".`, {
      provider: id,
      hint: near.length === 0 ? 'list_models shows what there is.' : `Did you mean ${near.join(', ')}?`,
    });
  }
  return {
    ...info,
    ...(listed !== undefined && { listed }),
    available: toAvailable(configured, listed, resolved.provider),
    demo: await providers.isDemo(id),
    warnings: resolved.warnings.map(({ message }) => message),
  };
}

/** The model of that name, or the one that `auto`, a pool or an alias stands for at this moment. */
async function resolveName(resources: Resources, caller: Caller, name: string): Promise<ResolvedModel> {
  const ask = await applyPreferences(resources, caller, { model: name, messages: [], settings: {} });
  // A default stands in for a name that nobody knows of only where none was given.
  const isAlias = ask.alias !== undefined && ask.model === name && ask.findAlias(name) !== undefined;
  if (!isAlias && name !== autoName && openPool(resources, name) === undefined)
    return resolveModelName(resources, name);
  const { resolved, added } = await chooseModel(resources, ask);
  // No job comes: the choice is no work for the member of a pool.
  added();
  return resolved;
}

/** Undefined while nobody knows: one that needs no key counts as configured whether it runs or not. */
function toAvailable(
  configured: boolean | undefined,
  listed: boolean | undefined,
  provider: ResolvedModel['provider'] | undefined,
): boolean | undefined {
  if (configured === true && listed === undefined && provider?.keyRequired === false) return undefined;
  return configured === undefined ? undefined : configured && listed !== false;
}

export function requireKnownProvider({ catalog }: Pick<Resources, 'catalog'>, id: string): void {
  if (catalog.findProvider(id) !== undefined) return;
  throw new ModelManagerError('invalid_request', `There is no provider "${id}".`, {
    hint: `The providers are ${catalog.providers.map((provider) => provider.id).join(', ')}.`,
  });
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
