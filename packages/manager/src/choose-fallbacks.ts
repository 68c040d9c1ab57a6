import type { ResolvedModel } from '@aimm/catalog';
import type { GeneratePayload } from '@aimm/contracts';
import { findCooldown, toCooldownError, toNextHop } from '@aimm/queue';
import type { Alias } from './aliases.ts';
import { namingAlias, type PreparedAsk } from './apply-preferences.ts';
import { type Choice, rankOptions, toPlan } from './choose-model.ts';
import type { GenerateAsk } from './asks.ts';
import { openPool } from './pick-member.ts';
import { resolveModelName } from './resolve-model-name.ts';
import type { Resources } from './resources.ts';

type Fallback = NonNullable<GeneratePayload['fallbacks']>[number];

/** Whom to ask in turn after the model that was chosen, and what the payload says of it. */
export interface Fallbacks {
  models: ResolvedModel[];
  payload: Pick<GeneratePayload, 'fallbacks' | 'contextWindow' | 'fallBackOnFilter' | 'pool'>;
}

/**
 * The other members of the pool, then the request's own fallbacks, aliases as what they stand for (their settings stay behind); where it names none, the chain of config/routing.json,
 * less what no worker can call. @throws unknown_model
 */
export async function chooseFallbacks(resources: Resources, ask: PreparedAsk, choice: Choice): Promise<Fallbacks> {
  const { catalog, providers } = resources;
  const { resolved, pool } = choice;
  const chains = catalog.routing.fallbacks;
  const chain =
    ask.fallbacks !== undefined
      ? undefined
      : (own(chains, choice.name) ?? own(chains, nameOf(resolved)) ?? own(chains, '*'));
  const resolve = async (name: string) =>
    openPool(resources, name)?.members ?? [await resolveModelName(resources, name)];
  /** The models of an alias in turn; of a tier the best one that is another. */
  const expand = (alias: Alias): Promise<string[]> =>
    namingAlias(alias, async () => {
      const { route: _route, ...asked } = ask;
      const plan = toPlan(resources, { ...asked, alias });
      if (alias.models !== undefined) return [...(plan.lists[0] ?? [])];
      const { options } = await rankOptions(resources, { ...asked, alias }, plan);
      return options
        .map(({ name }) => name)
        .filter((name) => name !== nameOf(resolved))
        .slice(0, 1);
    });
  const equal = pool?.others ?? [];
  const seen = new Set([resolved, ...equal].map(nameOf));
  const named: { model: ResolvedModel; isOneOfMany: boolean }[] = [];
  for (const name of ask.fallbacks ?? chain?.models ?? []) {
    const alias = chain === undefined ? ask.findAlias(name) : undefined;
    const names = alias === undefined ? [name] : await expand(alias);
    const isOneOfMany = chain !== undefined || alias !== undefined;
    const models = await Promise.all(names.map(resolve));
    named.push(...models.flat().map((model) => ({ model, isOneOfMany })));
  }
  const configured = await Promise.all(
    named.map(
      async ({ model, isOneOfMany }) => !isOneOfMany || (await providers.isConfigured(model.provider.id)) !== false,
    ),
  );
  const others = named.flatMap(({ model, isOneOfMany }, index) => {
    // What a list of any model's fallbacks says of this one, too; once is enough.
    const isNew = configured[index] === true && (!isOneOfMany || !seen.has(nameOf(model)));
    seen.add(nameOf(model));
    return isNew ? [model] : [];
  });
  const fallbacks = [
    ...equal.map((model): Fallback => ({ ...toFallback(model, ask), equal: true })),
    ...others.map((model) => toFallback(model, ask)),
  ];
  return {
    models: [...equal, ...others],
    payload: {
      ...(fallbacks.length > 0 && { fallbacks }),
      ...(resolved.info?.contextWindow !== undefined && { contextWindow: resolved.info.contextWindow }),
      ...(chain?.onContentFiltered === true && { fallBackOnFilter: true }),
      ...(pool !== undefined && { pool: pool.name }),
    },
  };
}

/**
 * The request at its first fallback where the model is set aside and a fallback is not: it need not wait in a queue to be
 * told. Otherwise as it is. Asks Redis only where there are fallbacks.
 */
export async function avoidCooldown({ queue, now }: Resources, payload: GeneratePayload): Promise<GeneratePayload> {
  if (payload.fallbacks === undefined) return payload;
  const all = await queue.cooldowns().catch(() => []);
  const isAside = (provider: string, model: string) => findCooldown(all, provider, model)?.state === 'open';
  const cooldown = findCooldown(all, payload.provider, payload.request.model);
  if (cooldown?.state !== 'open') return payload;
  const next = toNextHop(payload, toCooldownError(cooldown, now()).toShape(), 0, now(), { isAside });
  if (next === undefined || isAside(next.provider, next.request.model)) return payload;
  // It has not waited yet.
  return { ...next, ...(payload.startBy !== undefined && { startBy: payload.startBy }) };
}

function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function nameOf({ provider, model }: ResolvedModel): string {
  return `${provider.id}/${model}`;
}

function toFallback({ provider, model, info, warnings }: ResolvedModel, { timeoutMs }: GenerateAsk): Fallback {
  return {
    provider: provider.id,
    model,
    timeoutMs: timeoutMs ?? provider.timeoutMs,
    attempts: provider.attempts,
    warnings,
    ...(info?.contextWindow !== undefined && { contextWindow: info.contextWindow }),
  };
}
