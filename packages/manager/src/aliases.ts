import type { Catalog, Tier } from '@aimm/catalog';
import { everyClient, type ModelPreference, type PreferenceSettings } from '@aimm/contracts';
import type { Order } from './rank-models.ts';

/** Whose an alias is: the client's own hides everybody's, and both hide what is built in. */
export type Scope = 'own' | 'everybody' | 'built_in';

/** A name that stands for models and settings. */
export interface Alias {
  name: string;
  scope: Scope;
  /** Models and pools; absent where a tier of config/routing.json is chosen from. */
  models?: readonly string[] | undefined;
  tier?: Tier | undefined;
  order: Order;
  settings: PreferenceSettings;
  updatedAt?: number | undefined;
}

/** What `auto` chooses from, and what is taken where nothing is named: not aliases, though preferences like those. */
export const autoName = 'auto';
export const defaultName = 'default';

export function isSpecial(name: string): boolean {
  return name === autoName || name === defaultName;
}

/** There without any set-up, as long as routing.json and nobody says otherwise. */
const builtIn: Readonly<Record<string, Pick<Alias, 'tier' | 'order'> & { says: string }>> = {
  fast: { tier: 'small', order: 'fastest', says: 'the fastest small model' },
  smart: { tier: 'large', order: 'listed', says: 'the first large model that can be asked' },
  code: { tier: 'large', order: 'balanced', says: 'the large model with the best balance of cost and speed' },
};

export const builtInNames: readonly string[] = Object.keys(builtIn);

/** Preferences as a client has them. */
export interface AliasSet {
  readonly aliases: readonly Alias[];
  readonly auto: Alias | undefined;
  readonly fallback: Alias | undefined;
  find(name: string): Alias | undefined;
}

/** Puts together what is built in, everybody's and the client's own. Pure. */
export function toAliasSet(preferences: readonly ModelPreference[], { routing }: Pick<Catalog, 'routing'>): AliasSet {
  const known = new Map<string, Alias>(builtInNames.map((name) => [name, toBuiltIn(name, routing)]));
  const everybodys = preferences.filter(({ client }) => client === everyClient);
  const own = preferences.filter(({ client }) => client !== everyClient);
  for (const preference of [...everybodys, ...own]) known.set(preference.name, toAlias(preference));
  const aliases = [...known.values()].filter(({ name }) => !isSpecial(name));
  return {
    aliases: aliases.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    auto: known.get(autoName),
    fallback: known.get(defaultName),
    find: (name) => (isSpecial(name) ? undefined : known.get(name)),
  };
}

function toAlias({ client, name, models, settings, updatedAt }: ModelPreference): Alias {
  return { name, scope: client === everyClient ? 'everybody' : 'own', models, order: 'listed', settings, updatedAt };
}

/** A rule of routing.json by the same name says better what is meant. */
function toBuiltIn(name: string, { rules }: Catalog['routing']): Alias {
  const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
  if (rule === undefined) return { name, scope: 'built_in', settings: {}, order: 'balanced', ...builtIn[name] };
  const { candidates, tier, prefer, settings } = rule;
  const { tools: _tools, toolChoice: _choice, responseFormat: _format, userId: _user, ...kept } = settings ?? {};
  return { name, scope: 'built_in', models: candidates, tier, order: prefer, settings: kept };
}

const whose: Readonly<Record<Scope, string>> = { own: 'yours', everybody: "everybody's", built_in: 'built in' };

/** `openai/gpt-6-luna`, `the first of a/b, c/d that can be asked`, `the fastest small model`. */
export function describeAlias({ name, scope, models, tier, order }: Alias): string {
  if (models === undefined) {
    const said = builtIn[name];
    if (scope === 'built_in' && said?.tier === tier && said?.order === order) return said?.says ?? '';
    return `${orders[order]} of the ${tier ?? 'fitting'} models`;
  }
  if (models.length === 1) return models[0] ?? '';
  return `${orders[order]} of ${models.join(', ')}`;
}

const orders: Readonly<Record<Order, string>> = {
  listed: 'the first that can be asked',
  cheapest: 'the cheapest',
  fastest: 'the fastest',
  balanced: 'the best balance of cost and speed',
};

/** `the alias work (yours)`. */
export function nameAlias({ name, scope }: Alias): string {
  return isSpecial(name) ? `the preference ${name} (${whose[scope]})` : `the alias ${name} (${whose[scope]})`;
}
