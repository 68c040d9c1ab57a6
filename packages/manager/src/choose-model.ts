import { type GenerationRequest, type ModelInfo, ModelManagerError, type Warning } from '@aimm/contracts';
import type { ResolvedModel } from '@aimm/catalog';
import type { GenerateAsk } from './manager.ts';
import type { Resources } from './resources.ts';

type Settings = GenerationRequest['settings'];

/** How far back "fastest" looks. */
const measuredOverMs = 7 * 24 * 3_600_000;

/** The model that a generation is to use: the one named, or the one that `route` prefers among those that fit. */
export async function chooseModel(resources: Resources, ask: GenerateAsk): Promise<ResolvedModel> {
  const { catalog, listing } = resources;
  if (ask.model !== undefined && ask.model !== 'auto') return catalog.resolveModel(ask.model, listing.known());
  const candidates = await findCandidates(resources, ask);
  if (ask.model === undefined && ask.route === undefined) return first(candidates, 'the first configured provider');
  switch (ask.route ?? 'balanced') {
    case 'cheapest':
      return first(sortBy(candidates, price), 'the cheapest that fits');
    case 'fastest': {
      const speed = await measureSpeed(resources);
      return first(
        sortBy(candidates, (model) => speed.get(nameOf(model))),
        'the fastest measured over the last 7 days',
      );
    }
    case 'balanced': {
      const speed = await measureSpeed(resources);
      const ranks = [rank(candidates, price), rank(candidates, (model) => speed.get(nameOf(model)))];
      return first(
        sortBy(candidates, (model) => ranks.reduce((sum, ranked) => sum + (ranked.get(nameOf(model)) ?? 0), 0)),
        'the best balance of price and measured speed',
      );
    }
  }
}

/** Candidates of config/routing.json, then every provider's default model; only configured ones that take the request. */
async function findCandidates(resources: Resources, ask: GenerateAsk): Promise<ResolvedModel[]> {
  const { catalog, providers } = resources;
  const defaults = catalog.providers.flatMap(({ id, defaultModel }) =>
    defaultModel === undefined ? [] : [`${id}/${defaultModel}`],
  );
  const routed = ask.model === undefined && ask.route === undefined ? [] : catalog.routing.autoCandidates;
  const resolved = [...new Set([...routed, ...defaults])].map((name) => catalog.resolveModel(name));
  const configured = await Promise.all(resolved.map(({ provider }) => providers.isConfigured(provider.id)));
  const answers = await Promise.all(resolved.map((model) => isServed(resources, model)));
  const usable = resolved.filter((_, index) => configured[index] === true && answers[index] === true);
  const fitting = usable.filter(({ info }) => fits(info, ask));
  if (fitting.length > 0) return fitting;
  if (usable.length > 0) {
    throw new ModelManagerError(
      'invalid_request',
      'No configured model takes what this request needs (images, tools or a JSON schema).',
      {
        hint: 'Name a model: list_models with a capability shows which take what.',
      },
    );
  }
  if (configured.every((state) => state === undefined)) {
    throw new ModelManagerError('unavailable', 'No worker has reported yet, so no model could be chosen.', {
      retryable: true,
      hint: 'Name a model as provider/model-id, or start a worker (`aimm worker`).',
    });
  }
  throw new ModelManagerError('authentication', 'No provider is configured.', {
    hint: 'Set a key such as OPENAI_API_KEY, or start Ollama; check_health shows what each provider lacks.',
  });
}

/** A server that needs no key counts as configured whether it runs or not: it must list the model to be chosen unasked. */
async function isServed({ listing }: Resources, { provider, model }: ResolvedModel): Promise<boolean> {
  if (provider.keyRequired) return true;
  const { models } = await listing.read(provider.id);
  return models.some(({ id }) => id === model || id.startsWith(`${model}:`));
}

function fits(
  info: ModelInfo | undefined,
  { settings, messages }: { settings: Settings; messages: GenerateAsk['messages'] },
): boolean {
  const can = info?.capabilities;
  if (can === undefined) return true;
  const needsImages = messages.some(({ content }) => content.some(({ type }) => type === 'image'));
  if (needsImages && !can.includes('images')) return false;
  if ((settings.tools?.length ?? 0) > 0 && !can.includes('tools')) return false;
  return settings.responseFormat?.type !== 'json_schema' || can.includes('json_schema') || can.includes('json');
}

/** Median time to the whole answer by `provider/model`, from the ledger; empty where the database is away. */
async function measureSpeed({ database, now }: Resources): Promise<Map<string, number>> {
  try {
    const { ledger } = await database.get();
    const { groups } = await ledger.summarize({ from: now() - measuredOverMs, to: now(), groupBy: 'model' });
    return new Map(
      groups.flatMap(({ key, latencyP50Ms }) => (latencyP50Ms === undefined ? [] : [[key, latencyP50Ms] as const])),
    );
  } catch {
    return new Map();
  }
}

function price({ info }: ResolvedModel): number | undefined {
  const { inputPerMillionUsd, outputPerMillionUsd } = info?.prices ?? {};
  return inputPerMillionUsd === undefined || outputPerMillionUsd === undefined
    ? undefined
    : inputPerMillionUsd * 3 + outputPerMillionUsd;
}

function nameOf({ provider, model }: ResolvedModel): string {
  return `${provider.id}/${model}`;
}

/** Unmeasured last; ties keep the configured order. */
function sortBy(models: ResolvedModel[], measure: (model: ResolvedModel) => number | undefined): ResolvedModel[] {
  return models.toSorted((a, b) => (measure(a) ?? Number.MAX_VALUE) - (measure(b) ?? Number.MAX_VALUE));
}

function rank(models: ResolvedModel[], measure: (model: ResolvedModel) => number | undefined): Map<string, number> {
  return new Map(sortBy(models, measure).map((model, index) => [nameOf(model), index]));
}

function first(models: ResolvedModel[], why: string): ResolvedModel {
  const [chosen] = models;
  if (chosen === undefined) throw new TypeError('candidates were checked before');
  const told: Warning = { code: 'other', message: `${nameOf(chosen)} was chosen: ${why}.` };
  return { ...chosen, warnings: [...chosen.warnings, told] };
}
