import type { Catalog } from '@aimm/catalog';
import {
  type GenerationSettings,
  type Message,
  ModelManagerError,
  type PreferenceSettings,
  type Warning,
} from '@aimm/contracts';
import { type Alias, type AliasSet, autoName, isSpecial, nameAlias } from './aliases.ts';
import type { CompareAsk, GenerateAsk } from './asks.ts';
import type { Caller } from './caller.ts';
import type { Resources } from './resources.ts';

/** A request with what its client prefers laid under what it says itself. */
export interface PreparedAsk extends GenerateAsk {
  /** The name that it used, or that stood for none, and what it stands for. */
  alias?: Alias | undefined;
  /** Aliases among its fallbacks. */
  findAlias: (name: string) => Alias | undefined;
  aliasNames: readonly string[];
  /** What is to be said about this. */
  notes: Warning[];
}

/** Puts the client's preferences under what a request says; its own words win. @throws unknown_model naming the aliases there are */
export async function applyPreferences(
  resources: Pick<Resources, 'catalog' | 'preferences'>,
  caller: Caller,
  ask: GenerateAsk,
): Promise<PreparedAsk> {
  const { catalog, preferences } = resources;
  const { set, isKnown } = await preferences.read(caller.client);
  const findAlias = (name: string) => findUsable(catalog, set, name);
  // With a route the best of what `auto` may be is asked for, whatever the default.
  const fallback = ask.model === undefined && ask.route === undefined ? set.fallback : undefined;
  const standIn = fallback !== undefined && fallback.models?.length !== 0 ? fallback : undefined;
  const onlyName = standIn?.models?.length === 1 ? standIn.models[0] : undefined;
  const model = ask.model ?? onlyName;
  const alias =
    model === undefined
      ? (standIn ?? (ask.route === undefined ? undefined : set.auto))
      : model === autoName
        ? set.auto
        : (findAlias(model) ?? (ask.model === undefined ? standIn : undefined));
  const ruleSettings = ask.route === undefined ? {} : (own(catalog.routing.rules, ask.route)?.settings ?? {});
  const { system, ...settings } = { ...without(set.fallback?.settings, ruleSettings), ...alias?.settings };
  const hasSystem =
    ask.conversationId !== undefined || ask.messages.some(({ role }) => role === 'system') || system === undefined;
  return {
    ...ask,
    model,
    messages: hasSystem ? ask.messages : [toSystem(system), ...ask.messages],
    settings: { ...settings, ...withoutUnset(ask.settings) },
    ...(alias !== undefined && { alias }),
    findAlias,
    aliasNames: set.aliases.map(({ name }) => name),
    notes: isKnown || ask.model?.includes('/') === true ? [] : [unread],
  };
}

const unread: Warning = {
  code: 'other',
  message: 'The database did not answer: preferences are not known, only what is built in holds.',
};

/** The name of a pool, or of a model that the catalog knows, means that, whatever was preferred before it came to be. */
function findUsable(catalog: Catalog, set: AliasSet, name: string): Alias | undefined {
  const alias = set.find(name.trim());
  return alias === undefined || findRealName(catalog, alias.name) !== undefined ? undefined : alias;
}

/** What of the configuration has this name already, in words. */
export function findRealName(catalog: Catalog, name: string): string | undefined {
  if (Object.hasOwn(catalog.routing.pools, name)) return `the pool ${name} of config/routing.json`;
  const serving = catalog.providers.find(({ id }) => catalog.findModel(id, name) !== undefined);
  return serving === undefined ? undefined : `the model ${serving.id}/${name}`;
}

/** Runs what may fail for what an alias stands for; the error names the alias then, and what can be done. */
export async function namingAlias<T>(alias: Alias | undefined, work: () => Promise<T>): Promise<T> {
  if (alias === undefined) return work();
  try {
    return await work();
  } catch (error) {
    throw error instanceof ModelManagerError ? toAliasError(alias, error) : error;
  }
}

const ofTheModel: ReadonlySet<string> = new Set(['unknown_model', 'authentication', 'invalid_request', 'unavailable']);

function toAliasError(alias: Alias, error: ModelManagerError): ModelManagerError {
  if (!ofTheModel.has(error.code)) return error;
  const named = nameAlias(alias);
  const standsFor = alias.models === undefined ? '' : `, which stands for ${alias.models.join(', ')}`;
  const way =
    alias.scope === 'own'
      ? `Or give ${alias.name} another model with set_preference (without one it is removed).`
      : `Or set a preference ${alias.name} of your own with set_preference.`;
  return new ModelManagerError(error.code, `${error.message} It was asked for by ${named}${standsFor}.`, {
    retryable: error.retryable,
    provider: error.provider,
    hint: error.hint === undefined ? way : `${error.hint} ${way}`,
    cause: error,
  });
}

/** What a comparison asks each of its models. */
export function toOneOf({ messages, settings }: CompareAsk): Pick<GenerateAsk, 'messages' | 'settings'> {
  return { messages, settings };
}

/** What a payload says of the alias that was asked for; `auto` and `default` are none. */
export function toAliasName({ alias }: PreparedAsk): { alias?: string } {
  return alias === undefined || isSpecial(alias.name) ? {} : { alias: alias.name };
}

/** What a face leaves out arrives as `undefined`, and must not hide what is preferred. */
export function withoutUnset(settings: GenerationSettings): GenerationSettings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

function without(settings: PreferenceSettings | undefined, hidden: object): PreferenceSettings {
  return Object.fromEntries(Object.entries(settings ?? {}).filter(([name]) => !Object.hasOwn(hidden, name)));
}

function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function toSystem(text: string): Message {
  return { role: 'system', content: [{ type: 'text', text }] };
}
