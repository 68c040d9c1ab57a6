import { estimateTokens, expectOutput, type ResolvedModel, toListedId } from '@aimm/catalog';
import { type GenerationSettings, ModelManagerError } from '@aimm/contracts';
import { findCooldown } from '@aimm/queue';
import { describeNeeds, fits, type Needs } from './model-needs.ts';
import { openPool, type Pool } from './pick-member.ts';
import type { Candidate } from './rank-models.ts';
import type { Resources } from './resources.ts';

/** A model, or a pool of equal ones, that could answer a request. */
export interface ModelOption extends Candidate {
  /** Of a pool: a member that stands for all. */
  resolved: ResolvedModel;
  pool?: Pool;
  /** What the answer is expected to take. */
  outputTokens: number;
}

/**
 * The models of the first list that has one which is configured, takes what the request needs and is not set aside; where
 * all are set aside, those of the first list with any. Never empty.
 * @throws invalid_request when none takes the request, authentication or unavailable when none is configured
 */
export async function findOptions(
  resources: Resources,
  lists: readonly (readonly string[])[],
  needs: Needs,
  settings: GenerationSettings,
): Promise<ModelOption[]> {
  const aside = await resources.queue.cooldowns().catch(() => []);
  let asideOptions: ModelOption[] = [];
  let anyUsable = false;
  let anyKnown = false;
  // What answers slowly is waited for where there is nothing else.
  for (const isPatient of [false, true]) {
    for (const names of lists) {
      const found = await Promise.all(names.map((name) => toOption(name, isPatient)));
      anyUsable ||= found.some(({ state }) => state !== 'away');
      anyKnown ||= found.some(({ known }) => known);
      const options = found.flatMap(({ state, option }) => (state === 'fits' ? [option] : []));
      if (options.some(({ isAside }) => !isAside)) return options;
      if (asideOptions.length === 0) asideOptions = options;
    }
  }
  if (asideOptions.length > 0) return asideOptions;
  if (anyUsable) {
    throw new ModelManagerError(
      'invalid_request',
      `No configured model takes what this request needs (${describeNeeds(needs)}).`,
      {
        hint: 'Name a model: list_models with a capability shows which take what.',
      },
    );
  }
  if (!anyKnown) {
    throw new ModelManagerError('unavailable', 'No worker has reported yet, so no model could be chosen.', {
      retryable: true,
      hint: 'Name a model as provider/model-id, or start a worker (`aimm worker`).',
    });
  }
  throw new ModelManagerError('authentication', 'None of the models to choose from can be asked.', {
    hint: 'Set a key such as OPENAI_API_KEY, or start Ollama; check_health shows what each provider lacks. Or name a model of another provider (list_models shows them), or make it the default with set_preference.',
  });

  async function toOption(
    name: string,
    isPatient: boolean,
  ): Promise<{ state: 'away' | 'unfit' | 'fits'; known: boolean; option: ModelOption }> {
    const { catalog, listing, providers } = resources;
    const pool = openPool(resources, name);
    const members = pool?.members ?? [catalog.resolveModel(name, listing.known())];
    const states = await Promise.all(members.map(({ provider }) => providers.isConfigured(provider.id)));
    const served = await Promise.all(
      members.map(
        async (member, index) =>
          states[index] === true && (pool !== undefined || isServed(resources, member, isPatient)),
      ),
    );
    const usable = members.filter((_, index) => served[index]);
    // Names are checked when the configuration is read: each has a member.
    const resolved = usable[0] ?? (members[0] as ResolvedModel);
    const { provider, model, info } = resolved;
    const isAside = (usable.length > 0 ? usable : members).every(
      (member) => findCooldown(aside, member.provider.id, member.model) !== undefined,
    );
    const outputTokens = expectOutput(settings);
    const { costNanoUsd } = catalog.priceCall({
      provider: provider.id,
      model,
      usage: { inputTokens: estimateTokens(needs.asked, provider.kind), outputTokens },
      at: resources.now(),
      serviceTier: settings.serviceTier,
    });
    return {
      state: usable.length === 0 ? 'away' : fits(info, provider.kind, needs) ? 'fits' : 'unfit',
      known: states.some((state) => state !== undefined),
      option: {
        name: `${provider.id}/${model}`,
        resolved,
        ...(pool !== undefined && { pool }),
        ...(costNanoUsd !== null && { costNanoUsd }),
        isAside,
        outputTokens,
      },
    };
  }
}

/** A server that needs no key counts as configured whether it runs or not: it must list the model to be chosen unasked. */
async function isServed(
  { listing }: Resources,
  { provider, model }: ResolvedModel,
  isPatient: boolean,
): Promise<boolean> {
  if (provider.keyRequired) return true;
  const models = isPatient ? (await listing.read(provider.id)).models : await listing.readSoon(provider.id);
  const wanted = toListedId(model, provider.kind);
  return models.some(({ id }) => toListedId(id, provider.kind) === wanted);
}
