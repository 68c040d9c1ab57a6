import type { ResolvedModel } from '@aimm/catalog';
import { type GenerationSettings, ModelManagerError, type Warning } from '@aimm/contracts';
import type { Choice } from './choose-model.ts';
import type { Resources } from './resources.ts';

/** Equal models of several providers under one name, as config/routing.json puts them together. */
export interface Pool {
  name: string;
  members: ResolvedModel[];
}

/** The pool of this name; undefined where there is none. */
export function openPool({ catalog, listing }: Pick<Resources, 'catalog' | 'listing'>, name: string): Pool | undefined {
  const { pools } = catalog.routing;
  const members = Object.hasOwn(pools, name) ? pools[name] : undefined;
  return members && { name, members: members.map((member) => catalog.resolveModel(member, listing.known())) };
}

/**
 * The member with the least to do, of those that workers can call; its job counts from now on, in every front. The others
 * go along: they are asked when this one fails or is set aside, and take the job over where it waits and they are idle.
 */
export async function pickMember(
  { queue, providers }: Resources,
  { name, members }: Pool,
  settings: GenerationSettings,
  warnings: Warning[],
): Promise<Choice> {
  const states = await Promise.all(members.map(({ provider }) => providers.isConfigured(provider.id)));
  const usable = members.filter((_, index) => states[index] !== false);
  const [first, ...rest] = (usable.length > 0 ? usable : members).map((resolved) => ({
    provider: resolved.provider.id,
    model: resolved.model,
    concurrency: resolved.provider.concurrency,
    resolved,
  }));
  if (first === undefined) throw new ModelManagerError('invalid_request', `The pool "${name}" is empty.`);
  const { member, added } = await queue.pools.pick(name, [first, ...rest]);
  return {
    resolved: { ...member.resolved, warnings: [...member.resolved.warnings, ...warnings] },
    settings,
    name,
    pool: { name, others: [first, ...rest].filter((one) => one !== member).map(({ resolved }) => resolved) },
    added,
  };
}
