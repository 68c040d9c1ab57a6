import type { Preference, ResolvedModel, RoutingRule } from '@aimm/catalog';
import { type GenerationSettings, ModelManagerError, type Warning } from '@aimm/contracts';
import { autoName, nameAlias } from './aliases.ts';
import { namingAlias, type PreparedAsk, withoutUnset } from './apply-preferences.ts';
import { type Complexity, estimateComplexity } from './complexity.ts';
import { findOptions, type ModelOption } from './find-options.ts';
import { toNeeds } from './model-needs.ts';
import type { ExpectTime } from './model-speed.ts';
import { openPool, pickMember } from './pick-member.ts';
import { findUnmeasured, type Order, rankModels } from './rank-models.ts';
import { resolveModelName } from './resolve-model-name.ts';
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
 * The model that a generation is to use: the one named, what an alias stands for, a member of the pool named, or the one that
 * `route` prefers among those that fit. `ask.messages` is the whole conversation.
 * @throws unknown_model, invalid_request, authentication, unavailable
 */
export async function chooseModel(resources: Resources, ask: PreparedAsk): Promise<Choice> {
  const choice = await namingAlias(ask.alias, () => choose(resources, ask));
  const { resolved } = choice;
  return { ...choice, resolved: { ...resolved, warnings: [...resolved.warnings, ...ask.notes] } };
}

async function choose(resources: Resources, ask: PreparedAsk): Promise<Choice> {
  const { catalog } = resources;
  const { model, alias } = ask;
  const [only, ...others] = alias?.models ?? [];
  const named = alias === undefined ? (model === autoName ? undefined : model) : others.length === 0 ? only : undefined;
  if (named !== undefined) {
    const told: Warning[] =
      alias === undefined ? [] : [{ code: 'other', message: `${capitalise(nameAlias(alias))} is ${named}.` }];
    if (ask.route !== undefined)
      told.push({ code: 'other', message: `The route ${ask.route} chose nothing: a model was named.` });
    const settings = withRuleSettings(resources, ask);
    const pool = openPool(resources, named);
    if (pool !== undefined) return pickMember(resources, pool, settings, told);
    return toChoice(await resolve(named), settings, told);
  }
  if (model === undefined && ask.route === undefined && alias === undefined) {
    const defaults = catalog.providers.flatMap(({ id, defaultModel }) =>
      defaultModel === undefined ? [] : [`${id}/${defaultModel}`],
    );
    const options = await findOptions(resources, [defaults], toNeeds(ask.messages, ask.settings), ask.settings);
    const [best] = options.toSorted((a, b) => Number(a.isAside) - Number(b.isAside));
    return take(resources, required(best), ask.settings, 'the first configured provider');
  }
  return route(resources, ask);

  async function resolve(name: string): Promise<ResolvedModel> {
    try {
      return await resolveModelName(resources, name);
    } catch (error) {
      throw withAliases(error, name, ask.aliasNames);
    }
  }
}

async function route(resources: Resources, ask: PreparedAsk): Promise<Choice> {
  const plan = toPlan(resources, ask);
  const { settings, order, by } = plan;
  const ranked = await rankOptions(resources, ask, plan);
  const { timed, expect } = ranked;
  const untried = order === 'fastest' ? findUnmeasured(timed, resources.choices.next()) : undefined;
  const [best] = ranked.options;
  const chosen = required(untried ?? best);
  const task = plan.isByTask
    ? ` for a ${ranked.complexity.tier} task (score ${ranked.complexity.score}: ${ranked.complexity.reasons.slice(0, 3).join(', ')})`
    : '';
  const isMeasured = chosen.expectedMs !== undefined;
  const why =
    untried === undefined ? words[order](timed.length, isMeasured) : 'to measure its speed, which nobody knows yet';
  const known = [
    chosen.costNanoUsd === undefined ? 'price unknown' : `est. $${toDollars(chosen.costNanoUsd)}`,
    expect === undefined || chosen.expectedMs === undefined ? '' : `${(chosen.expectedMs / 1_000).toFixed(1)} s`,
  ];
  const chosenBecause = `${why}${task}${by}, ${known.filter((word) => word !== '').join(', ')}`;
  const away: Warning[] =
    needsSpeed(order) && expect === undefined
      ? [{ code: 'other', message: 'The ledger could not be asked how fast the models are: none counts as measured.' }]
      : [];
  return take(resources, chosen, settings, chosenBecause, [...plan.left, ...away]);
}

/** Between which models is to be chosen, and how. */
export interface Plan {
  /** Those of the first list with one that can be asked. */
  lists: readonly (readonly string[])[];
  order: Order;
  /** The request's own, on top of those of the rule that it named. */
  settings: GenerationSettings;
  complexity: Complexity;
  /** The task decides how large a model is asked. */
  isByTask: boolean;
  /** ` by the rule review`. */
  by: string;
  /** What of an alias's models cannot be asked at all. */
  left: Warning[];
}

/** @throws invalid_request, unknown_model */
export function toPlan(resources: Resources, ask: PreparedAsk): Plan {
  const { routing, providers } = resources.catalog;
  const { alias } = ask;
  const rule = ask.route === undefined ? undefined : findRule(resources, ask.route);
  const settings = withRuleSettings(resources, ask);
  const complexity = estimateComplexity(ask.messages, settings);
  // What `auto` chooses from gives way to what a rule says; what somebody calls by its name does not.
  const own = alias?.name === autoName ? undefined : alias;
  const candidates =
    own?.models ??
    (own?.tier === undefined ? (rule?.candidates ?? (rule?.tier ? undefined : alias?.models)) : undefined);
  const tier = own?.tier ?? rule?.tier;
  const order = rule?.prefer ?? (ask.route === undefined ? (alias?.order ?? 'balanced') : toPreference(ask.route));
  const by = [
    rule === undefined ? '' : ` by the rule ${ask.route ?? ''}`,
    alias === undefined || (candidates !== alias.models && own === undefined) ? '' : ` for ${nameAlias(alias)}`,
  ].join('');
  const isByTask = candidates === undefined && tier === undefined;
  const plan = { order, settings, complexity, isByTask, by };
  if (candidates !== undefined) {
    const { names, left } =
      candidates === alias?.models ? leaveUnknown(resources, candidates) : { names: candidates, left: [] };
    return { ...plan, lists: [names], left };
  }
  const sizes = {
    small: ['small', 'medium', 'large'],
    medium: ['medium', 'large', 'small'],
    large: ['large', 'medium', 'small'],
  } as const;
  const defaults = providers.flatMap(({ id, defaultModel }) =>
    defaultModel === undefined ? [] : [`${id}/${defaultModel}`],
  );
  /** The task's tier, then larger ones, then smaller ones; last everything that `auto` knows. */
  const tiers = sizes[tier ?? complexity.tier].map((name) => routing.tiers[name] ?? []);
  const lists = [...tiers.filter((list) => list.length > 0), [...new Set([...routing.autoCandidates, ...defaults])]];
  return { ...plan, lists, left: [] };
}

/** The configuration may have changed since an alias was made. @throws unknown_model where none is left */
function leaveUnknown(resources: Resources, names: readonly string[]): { names: string[]; left: Warning[] } {
  const { catalog, listing } = resources;
  const left: Warning[] = [];
  let failure: unknown;
  const known = names.filter((name) => {
    try {
      return openPool(resources, name) !== undefined || catalog.resolveModel(name, listing.known()).model !== '';
    } catch (error) {
      failure = error;
      left.push({ code: 'unknown_model', message: `There is no model ${name} any more; it was passed over.` });
      return false;
    }
  });
  if (known.length === 0) throw failure;
  return { names: known, left };
}

interface Ranked {
  /** Best first; never empty. */
  options: Timed[];
  /** In the order given. */
  timed: Timed[];
  expect: ExpectTime | undefined;
  complexity: Complexity;
}
type Timed = ModelOption & { expectedMs: number | undefined };

/** @throws invalid_request, authentication, unavailable */
export async function rankOptions(resources: Resources, ask: PreparedAsk, plan: Plan): Promise<Ranked> {
  const { settings, lists, order, complexity } = plan;
  const options = await findOptions(resources, lists, toNeeds(ask.messages, settings), settings);
  const expect = needsSpeed(order) ? await resources.speeds.read() : undefined;
  const timed = options.map((option) => ({ ...option, expectedMs: expect?.(option.name, option.outputTokens) }));
  return { options: rankModels(timed, order), timed, expect, complexity };
}

function needsSpeed(order: Order): boolean {
  return order === 'fastest' || order === 'balanced';
}

/** Why the best of `count` is the best. `isMeasured`: how fast it is. */
const words: Readonly<Record<Order, (count: number, isMeasured: boolean) => string>> = {
  cheapest: (count) => `the cheapest of ${count}`,
  fastest: (count, isMeasured) => `the ${isMeasured ? 'fastest measured' : 'first unmeasured'} of ${count}`,
  balanced: (count) => `the best balance of cost and speed of ${count}`,
  listed: (count) => (count === 1 ? 'the only one that can be asked' : `the first of ${count} that can be asked`),
};
const preferences = ['cheapest', 'fastest', 'balanced'] as const;

function findRule({ catalog }: Resources, wanted: string): RoutingRule | undefined {
  if (preferences.some((one) => one === wanted)) return undefined;
  const { rules } = catalog.routing;
  const rule = Object.hasOwn(rules, wanted) ? rules[wanted] : undefined;
  if (rule !== undefined) return rule;
  throw new ModelManagerError('invalid_request', `There is no route "${wanted.slice(0, 64)}".`, {
    hint: `There are ${[...preferences, ...Object.keys(rules)].join(', ')}; config/routing.json may name further rules.`,
  });
}

/** What a request says itself, on top of the settings of the rule that it names. @throws invalid_request */
function withRuleSettings(resources: Resources, { route: wanted, settings }: PreparedAsk): GenerationSettings {
  const rule = wanted === undefined ? undefined : findRule(resources, wanted);
  return { ...rule?.settings, ...withoutUnset(settings) };
}

function toPreference(wanted: string): Preference {
  return wanted === 'cheapest' || wanted === 'fastest' ? wanted : 'balanced';
}

/** Who mistypes an alias is told which there are. */
function withAliases(error: unknown, name: string, aliases: readonly string[]): unknown {
  if (!(error instanceof ModelManagerError) || error.code !== 'unknown_model' || name.includes('/')) return error;
  const { code, message, hint = '' } = error;
  return new ModelManagerError(code, message, { hint: `${hint} The aliases are ${aliases.join(', ')}.`.trim() });
}

function capitalise(sentence: string): string {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
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
