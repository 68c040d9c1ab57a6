import {
  everyClient,
  ModelManagerError,
  type ModelPreference,
  PreferenceName,
  PreferenceSettings,
} from '@aimm/contracts';
import { type Alias, autoName, builtInNames, defaultName, describeAlias, isSpecial, toAliasSet } from './aliases.ts';
import { findRealName } from './apply-preferences.ts';
import type { Caller } from './caller.ts';
import type { PreferenceChange, PreferenceEdit, PreferenceList, PreferenceView } from './preference-views.ts';
import { openPool } from './pick-member.ts';
import { resolveModelName } from './resolve-model-name.ts';
import type { Resources } from './resources.ts';

/** What one client may have, and everybody together. */
const mostPerOwner = 200;

/** The preferences that hold for a client. Asks the database, not what this front remembers. @throws permission, unavailable */
export async function getPreferences(
  { catalog, database }: Resources,
  caller: Caller,
  owner = caller.client,
): Promise<PreferenceList> {
  // Everybody's are for all to see; another client's are its own.
  if (owner !== everyClient) requireRight(caller, owner);
  const { preferences } = await database.get();
  const stored = await preferences.list(owner);
  const set = toAliasSet(stored, catalog);
  const special = [set.fallback, set.auto].filter((one) => one !== undefined);
  return {
    client: owner,
    preferences: [...special, ...set.aliases].map((alias) => ({
      ...toView(alias),
      ...(isHiding(alias, stored) && { hides: true }),
      ...toHiddenBy(alias, findRealName(catalog, alias.name)),
    })),
  };
}

/** Sets a preference, or removes it where neither models nor settings are given. @throws invalid_request, unknown_model, permission, unavailable */
export async function setPreference(
  resources: Resources,
  caller: Caller,
  { name: given, models: asked = [], settings = {}, client: owner = caller.client }: PreferenceEdit,
): Promise<PreferenceChange> {
  requireRight(caller, owner);
  const name = requireName(resources, given);
  const { database, preferences: known } = resources;
  const kept = requireSettings(settings);
  const { preferences } = await database.get();
  if (asked.length === 0 && Object.keys(kept).length === 0) {
    const removed = await preferences.remove(owner, name);
    if (removed) await known.changed(owner);
    const after = await inForce(resources, owner, name);
    return {
      change: removed ? 'removed' : 'none',
      name,
      ...(after !== undefined && { inForce: toView(after) }),
      warnings: [],
    };
  }
  if (asked.length === 0 && name !== defaultName) {
    throw new ModelManagerError('invalid_request', `"${name}" has settings, and no model that they are for.`, {
      hint: 'Give a model, or several in the order of preference. Only default may be settings alone.',
    });
  }
  const models = await Promise.all(
    asked.map((model) => toStorableModel(resources, owner, { name, isOne: asked.length === 1 }, model)),
  );
  requireDistinct(models);
  const stored = await preferences.list(owner);
  const own = stored.filter(({ client }) => client === owner);
  if (own.length >= mostPerOwner && !own.some((one) => one.name === name)) {
    throw new ModelManagerError('invalid_request', `There are ${mostPerOwner} preferences already.`, {
      hint: 'Remove one first: set_preference with its name and nothing else.',
    });
  }
  const lost = models.length > 0 ? [] : (toAliasSet(stored, resources.catalog).fallback?.models ?? []);
  await preferences.put({ client: owner, name, models, settings: kept });
  await known.changed(owner);
  const after = await inForce(resources, owner, name);
  return {
    change: 'set',
    name,
    ...(after !== undefined && { inForce: toView(after) }),
    warnings: [...toLossWarning(lost), ...(await findWarnings(resources, models))],
  };
}

/** What holds under this name now. */
async function inForce({ catalog, database }: Resources, owner: string, name: string): Promise<Alias | undefined> {
  const { preferences } = await database.get();
  const set = toAliasSet(await preferences.list(owner), catalog);
  return name === autoName ? set.auto : name === defaultName ? set.fallback : set.find(name);
}

function requireRight(caller: Caller, owner: string): void {
  if (caller.admin || owner === caller.client) return;
  throw new ModelManagerError('permission', 'Only an admin sees and sets the preferences of others, or everybody’s.', {
    hint: 'Leave client out: the preference is your own then.',
  });
}

/** Nothing that has a meaning already gets another one. */
function requireName({ catalog, listing }: Resources, given: string): string {
  const parsed = PreferenceName.safeParse(given.trim());
  if (!parsed.success) {
    throw new ModelManagerError('invalid_request', `"${given.slice(0, 70)}" is not a valid name for a preference.`, {
      hint: `A name has ${parsed.error.issues[0]?.message.replace('expected ', '') ?? 'letters'}; provider/model-id always means that model.`,
    });
  }
  const name = parsed.data;
  const listed = listing.known().find(({ id }) => id === name);
  const taken =
    findRealName(catalog, name) ??
    (catalog.findProvider(name) === undefined ? undefined : `the provider ${name}`) ??
    (listed === undefined ? undefined : `the model ${listed.provider}/${listed.id}`);
  if (taken === undefined || isSpecial(name)) return name;
  throw new ModelManagerError('invalid_request', `"${name}" means ${taken} already.`, { hint: 'Choose another name.' });
}

function requireSettings(settings: PreferenceSettings): PreferenceSettings {
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  const parsed = PreferenceSettings.safeParse(given);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new ModelManagerError('invalid_request', `These settings cannot be kept: ${faults.join('; ')}.`);
}

/** As `provider/model-id`, whatever it was called; a pool by its name. `default` may also be one alias. */
async function toStorableModel(
  resources: Resources,
  owner: string,
  { name, isOne }: { name: string; isOne: boolean },
  given: string,
): Promise<string> {
  const { catalog } = resources;
  const model = given.trim();
  if (openPool(resources, model) !== undefined) return model;
  const alias =
    isSpecial(model) || findRealName(catalog, model) !== undefined ? undefined : await inForce(resources, owner, model);
  const isKnownName = alias !== undefined || isSpecial(model);
  const mayBeAlias = name === defaultName && model !== defaultName;
  if (mayBeAlias && isOne && isKnownName) return model;
  if (isKnownName) {
    const way = alias === undefined ? 'Name a model.' : `Name what it stands for: ${describeAlias(alias)}.`;
    throw new ModelManagerError('invalid_request', `"${model}" is an alias itself; an alias stands for models only.`, {
      hint: mayBeAlias ? 'default may be one alias, or several models.' : way,
    });
  }
  const resolved = await resolveModelName(resources, model);
  return `${resolved.provider.id}/${resolved.model}`;
}

function requireDistinct(models: readonly string[]): void {
  const twice = models.find((model, index) => models.indexOf(model) !== index);
  if (twice !== undefined) throw new ModelManagerError('invalid_request', `${twice} is in the list twice.`);
}

/** `models`: those that `default` stood for before it was set to settings alone. */
function toLossWarning(models: readonly string[]): string[] {
  if (models.length === 0) return [];
  return [
    `default stood for ${models.join(', ')} until now, and stands for no model any more. Give the model, too, to keep it.`,
  ];
}

/** What will keep a preference from working as it is now. */
async function findWarnings(resources: Resources, models: readonly string[]): Promise<string[]> {
  const { catalog, listing, providers } = resources;
  const found = await Promise.all(
    models.map(async (name) => {
      if (!name.includes('/') || openPool(resources, name) !== undefined) return [];
      const { provider, warnings } = catalog.resolveModel(name, listing.known());
      const configured = await providers.isConfigured(provider.id).catch(() => undefined);
      const away =
        configured === false ? [`The provider ${provider.id} is not configured: ${name} cannot be asked now.`] : [];
      return [...away, ...warnings.map(({ message }) => message)];
    }),
  );
  return found.flat();
}

function toView(alias: Alias): PreferenceView {
  const { name, scope, models, settings, updatedAt } = alias;
  return {
    name,
    scope,
    models: [...(models ?? [])],
    settings,
    means: alias.models?.length === 0 ? 'settings for every request' : describeAlias(alias),
    ...(updatedAt !== undefined && { updatedAt }),
  };
}

/** Whether something else holds once this is removed. */
function isHiding({ name, scope }: Alias, stored: readonly ModelPreference[]): boolean {
  if (scope === 'built_in') return false;
  const isEverybodys = stored.some((one) => one.client === everyClient && one.name === name);
  return builtInNames.includes(name) || (scope === 'own' && isEverybodys);
}

function toHiddenBy({ name }: Alias, realName: string | undefined): { hiddenBy?: string } {
  return realName === undefined || isSpecial(name) ? {} : { hiddenBy: realName };
}
