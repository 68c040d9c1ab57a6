import type { Preference, ResolvedModel, RoutingRule } from '@aimm/catalog';
import { type GenerationSettings, ModelManagerError, type Warning } from '@aimm/contracts';
import { type Complexity, estimateComplexity } from './complexity.ts';
import { findOptions, type ModelOption } from './find-options.ts';
import type { GenerateAsk } from './manager.ts';
import { toNeeds } from './model-needs.ts';
import { openPool, pickMember } from './pick-member.ts';
import { findUnmeasured, rankModels } from './rank-models.ts';
import type { Resources } from './resources.ts';

/** What a generation is to be asked of. */
export interface Choice {
  resolved: ResolvedModel;
  /** The request's own, on top of those of the rule that it named. */
  settings: GenerationSettings;
  /** Where the model is one of several equal ones: the pool and its other members. */
  pool?: { name: string; others: ResolvedModel[] };
  /** What `fallbacks` of routing.json calls it: the pool, or `provider/model`. */
  name: string;
  /** Its job is in the queue. */
  added: () => void;
}

/**
 * The model that a generation is to use: the one named, a member of the pool named, or the one that `route` prefers among
 * those that fit. `ask.messages` is the whole conversation. @throws unknown_model, invalid_request, authentication, unavailable
 */
export async function chooseModel(resources: Resources, ask: GenerateAsk): Promise<Choice> {
  const { catalog, listing } = resources;
  const { model } = ask;
  if (model !== undefined && model !== 'auto') {
    const pool = openPool(resources, model);
    if (pool !== undefined) return pickMember(resources, pool, ask.settings, []);
    return toChoice(catalog.resolveModel(model, listing.known()), ask.settings, []);
  }
  if (model === undefined && ask.route === undefined) {
    const defaults = catalog.providers.flatMap(({ id, defaultModel }) =>
      defaultModel === undefined ? [] : [`${id}/${defaultModel}`],
    );
    const options = await findOptions(resources, [defaults], toNeeds(ask.messages, ask.settings), ask.settings);
    const [best] = options.toSorted((a, b) => Number(a.isAside) - Number(b.isAside));
    return take(resources, required(best), ask.settings, 'the first configured provider');
  }
  return route(resources, ask, ask.route ?? 'balanced');
}

async function route(resources: Resources, ask: GenerateAsk, wanted: string): Promise<Choice> {
  const { catalog } = resources;
  const rule = findRule(resources, wanted);
  const settings = { ...rule?.settings, ...withoutUnset(ask.settings) };
  const prefer = rule?.prefer ?? toPreference(wanted);
  const complexity = estimateComplexity(ask.messages, settings);
  const lists = toLists(resources, rule, complexity);
  const options = await findOptions(resources, lists, toNeeds(ask.messages, settings), settings);

  const expect = prefer === 'cheapest' ? undefined : await resources.speeds.read();
  const timed = options.map((option) => ({ ...option, expectedMs: expect?.(option.name, option.outputTokens) }));
  const untried = prefer === 'fastest' ? findUnmeasured(timed, resources.choices.next()) : undefined;
  const [best] = rankModels(timed, prefer);
  const chosen = required(untried ?? best);
  const task =
    rule === undefined || (rule.candidates === undefined && rule.tier === undefined)
      ? ` for a ${complexity.tier} task (score ${complexity.score}: ${complexity.reasons.slice(0, 3).join(', ')})`
      : '';
  const by = rule === undefined ? '' : ` by the rule ${wanted}`;
  const why =
    untried === undefined ? `${words[prefer]} of ${options.length}` : 'to measure its speed, which nobody knows yet';
  const known = [
    chosen.costNanoUsd === undefined ? 'price unknown' : `est. $${toDollars(chosen.costNanoUsd)}`,
    prefer === 'cheapest' || chosen.expectedMs === undefined ? '' : `${(chosen.expectedMs / 1_000).toFixed(1)} s`,
  ];
  const chosenBecause = `${why}${task}${by}, ${known.filter((word) => word !== '').join(', ')}`;
  const away: Warning[] =
    prefer !== 'cheapest' && expect === undefined
      ? [{ code: 'other', message: 'The ledger could not be asked how fast the models are: none counts as measured.' }]
      : [];
  return take(resources, chosen, settings, chosenBecause, away);

  /** The task's tier, then larger ones, then smaller ones; last everything that `auto` knows. */
  function toLists({ catalog: { routing, providers } }: Resources, given: RoutingRule | undefined, task: Complexity) {
    if (given?.candidates !== undefined) return [given.candidates];
    const tier = given?.tier ?? task.tier;
    const order = {
      small: ['small', 'medium', 'large'],
      medium: ['medium', 'large', 'small'],
      large: ['large', 'medium', 'small'],
    } as const;
    const defaults = providers.flatMap(({ id, defaultModel }) =>
      defaultModel === undefined ? [] : [`${id}/${defaultModel}`],
    );
    const tiers = order[tier].map((name) => catalog.routing.tiers[name] ?? []);
    return [...tiers.filter((list) => list.length > 0), [...new Set([...routing.autoCandidates, ...defaults])]];
  }
}

const words: Readonly<Record<Preference, string>> = {
  cheapest: 'the cheapest',
  fastest: 'the fastest measured',
  balanced: 'the best balance of cost and speed',
};

function findRule({ catalog }: Resources, wanted: string): RoutingRule | undefined {
  if (Object.hasOwn(words, wanted)) return undefined;
  const { rules } = catalog.routing;
  const rule = Object.hasOwn(rules, wanted) ? rules[wanted] : undefined;
  if (rule !== undefined) return rule;
  throw new ModelManagerError('invalid_request', `There is no route "${wanted.slice(0, 64)}".`, {
    hint: `There are ${[...Object.keys(words), ...Object.keys(rules)].join(', ')}; config/routing.json may name further rules.`,
  });
}

function toPreference(wanted: string): Preference {
  return wanted === 'cheapest' || wanted === 'fastest' ? wanted : 'balanced';
}

/** What a face leaves out arrives as `undefined`, and must not hide what a rule says. */
function withoutUnset(settings: GenerationSettings): GenerationSettings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

function take(
  resources: Resources,
  option: ModelOption,
  settings: GenerationSettings,
  why: string,
  warnings: Warning[] = [],
): Promise<Choice> | Choice {
  const told: Warning = { code: 'other', message: `${option.name} was chosen: ${why}.` };
  const said = [...warnings, told];
  if (option.pool !== undefined) return pickMember(resources, option.pool, settings, said);
  return toChoice(option.resolved, settings, said);
}

function toChoice(resolved: ResolvedModel, settings: GenerationSettings, warnings: Warning[]): Choice {
  return {
    resolved: { ...resolved, warnings: [...resolved.warnings, ...warnings] },
    settings,
    name: `${resolved.provider.id}/${resolved.model}`,
    added: () => undefined,
  };
}

function toDollars(nanoUsd: number): string {
  const dollars = nanoUsd / 1e9;
  return dollars === 0 ? '0' : dollars < 0.01 ? dollars.toPrecision(2) : dollars.toFixed(2);
}

function required<T>(option: T | undefined): T {
  if (option === undefined) throw new TypeError('that there is an option was checked before');
  return option;
}
