import { randomUUID } from 'node:crypto';
import { ModelManagerError } from '@aimm/contracts';
import type { Redis } from 'ioredis';
import { type CallVerdict, judgeCall, type Patience } from './call-verdict.ts';
import { enterScript, noteCallsScript, settleProbeScript } from './cooldown-scripts.ts';
import { keys } from './names.ts';
import { type Cooldown, CooldownEntry, findCooldown, readCooldowns, toCooldown } from './read-cooldowns.ts';

/** When a provider or a model is set aside, and for how long. */
export interface CooldownSettings {
  /** Failed of all calls in the window, 0 to 1. */
  failureShare: number;
  /** Fewer failures say nothing. */
  minimumFailures: number;
  windowSeconds: number;
  /** The first cooldown; each failed probe doubles it, up to `maxSeconds`. */
  firstSeconds: number;
  maxSeconds: number;
}

/** What is configured for a provider: `undefined` where it is never set aside. */
export type CooldownRules = (provider: string) => (Patience & { settings: CooldownSettings }) | undefined;

/** The way to a model for one call. `ended` says how the call went; without it nothing is known of it. */
export interface Pass {
  /** What may not have been set aside by the moment at which the call starts; absent for the call that finds out. */
  freeOf?: readonly [provider: string, model: string];
  /** The provider began to answer: a probe need not wait for the end. */
  answered(): void;
  ended(error: ModelManagerError | undefined, tookMs: number): void;
  /** No call was made, or none whose end says anything. */
  leave(): void;
}

export type Entrance = { pass: Pass } | { aside: Aside };

/** The way is not free: who has no other waits `delayMs`, and asks again. */
export interface Aside {
  delayMs: number;
  error: ModelManagerError;
}

/** Which providers and models failed too often, shared by all workers through Redis. */
export interface Cooldowns {
  /**
   * Asks for the way to a model before a call. Costs no round trip while nothing of this provider is known to be set aside,
   * unless it `turnedOut` to be so when the call was to start. `wait`: the asker has no alternative and will come back, in
   * its turn.
   */
  enter(provider: string, model: string, options: { wait: boolean; turnedOut?: boolean }): Promise<Entrance>;
  /** As this process last heard, within half a second. */
  find(provider: string, model: string): Cooldown | undefined;
  close(): void;
}

export interface CooldownsOptions {
  redis: Redis;
  rules: CooldownRules;
  /** 0 ≤ x < 1, for jitter. */
  random?: () => number;
  /** By the clock of deadlines. */
  now?: () => number;
}

const readEveryMs = 500;
/** Successes are told together. Longer than it takes to fail `minimumFailures` times, and the share would be wrong. */
const tellEveryMs = 1_000;
/** A probe whose worker died holds the others up for so long. */
const probeLeaseMs = 15_000;
const renewEveryMs = 5_000;
/** One after the other at the end of a cooldown, at most so far apart in all; and how soon to look whether a probe has ended. */
const [stepMs, spreadMs, lookMs] = [10, 30_000, 500];

type Scripted = Redis & {
  aimmNoteCalls(cooldowns: string, calls: string, ...argv: (string | number)[]): Promise<number>;
  aimmEnterCooldown(cooldowns: string, ...argv: (string | number)[]): Promise<[string, string?, string?, string?]>;
  aimmSettleProbe(cooldowns: string, ...argv: (string | number)[]): Promise<number>;
};

export function createCooldowns({ redis, rules, random = Math.random, now = Date.now }: CooldownsOptions): Cooldowns {
  redis.defineCommand('aimmNoteCalls', { numberOfKeys: 2, lua: noteCallsScript });
  redis.defineCommand('aimmEnterCooldown', { numberOfKeys: 1, lua: enterScript });
  redis.defineCommand('aimmSettleProbe', { numberOfKeys: 1, lua: settleProbeScript });
  const scripted = redis as Scripted;
  const jitter = () => Math.floor(random() * 1_000);

  let known: readonly Cooldown[] = [];
  let reading = false;
  const read = async () => {
    try {
      known = await readCooldowns(redis, now);
    } catch {
      // What was known stays so.
    }
  };
  const look = async () => {
    // While Redis is away one question waits for it, and not one per half second.
    if (reading) return;
    reading = true;
    await read();
    reading = false;
  };
  const reader = setInterval(() => void look(), readEveryMs).unref();
  void look();

  /** Successes not told yet, by provider and model. */
  const untold = new Map<string, Map<string, number>>();
  const tell = (provider: string, failure?: { model: string; kind: 'bad' | 'net'; code: string }) => {
    const rule = rules(provider);
    const counts = untold.get(provider);
    untold.delete(provider);
    if (rule === undefined) return;
    const { settings } = rule;
    const calls = [...(counts ?? [])].flatMap(([model, count]) => [model, 'ok', count]);
    if (failure !== undefined) calls.push(failure.model, failure.kind, 1);
    if (calls.length === 0) return;
    const argv = [
      provider,
      settings.minimumFailures,
      Math.round(settings.failureShare * 1_000),
      settings.windowSeconds * 1_000,
      settings.firstSeconds * 1_000,
      jitter(),
      failure?.code ?? '',
    ];
    scripted.aimmNoteCalls(keys.cooldowns, keys.calls(provider), ...argv, ...calls).then(
      (opened) => opened === 1 && void read(),
      // Redis is away: what nobody could be told of sets nothing aside.
      () => undefined,
    );
  };
  const teller = setInterval(() => [...untold.keys()].forEach((provider) => tell(provider)), tellEveryMs).unref();

  const note = (provider: string, model: string, verdict: CallVerdict, code: string) => {
    if (verdict === 'answered') {
      const counts = untold.get(provider) ?? new Map<string, number>();
      untold.set(provider, counts.set(model, (counts.get(model) ?? 0) + 1));
    } else if (verdict !== 'unknown') {
      tell(provider, { model, kind: verdict === 'unreachable' ? 'net' : 'bad', code });
    }
  };

  const openPass = (provider: string, model: string, rule: ReturnType<CooldownRules>): Pass => ({
    ...(rule !== undefined && { freeOf: [provider, `${provider}/${model}`] }),
    answered: () => undefined,
    leave: () => undefined,
    ended(error, tookMs) {
      const rule = rules(provider);
      if (rule !== undefined) note(provider, model, judgeCall(error, tookMs, rule), error?.code ?? '');
    },
  });

  /** The one call that finds out how a provider is. Its place is kept while it runs and given back with its first word. */
  const openProbe = (provider: string, model: string, token: string, rule: NonNullable<ReturnType<CooldownRules>>) => {
    const scopes = [provider, `${provider}/${model}`];
    let open = true;
    const settle = (verdict: string, code = '') => {
      if (!open) return;
      if (verdict !== 'renew') {
        open = false;
        clearInterval(renewal);
      }
      const { firstSeconds, maxSeconds } = rule.settings;
      scripted
        .aimmSettleProbe(
          keys.cooldowns,
          token,
          verdict,
          firstSeconds * 1_000,
          maxSeconds * 1_000,
          jitter(),
          probeLeaseMs,
          code,
          ...scopes,
        )
        .then(
          () => void read(),
          // Without an answer its lease runs out.
          () => undefined,
        );
    };
    const renewal = setInterval(() => settle('renew'), renewEveryMs).unref();
    const pass: Pass = {
      answered: () => settle('answered'),
      leave: () => settle('unknown'),
      ended(error, tookMs) {
        const verdict = judgeCall(error, tookMs, rule);
        // Once it has begun to answer, its end is that of any call.
        if (open) settle(verdict === 'unreachable' ? 'failed' : verdict, error?.code);
        else note(provider, model, verdict, error?.code ?? '');
      },
    };
    return pass;
  };

  return {
    find: (provider, model) => findCooldown(known, provider, model),
    async enter(provider, model, { wait, turnedOut = false }) {
      const rule = rules(provider);
      if (rule === undefined || (!turnedOut && findCooldown(known, provider, model) === undefined))
        return { pass: openPass(provider, model, rule) };
      const token = randomUUID();
      const [state, scope = '', json = '{}', delayMs] = await scripted.aimmEnterCooldown(
        keys.cooldowns,
        token,
        probeLeaseMs,
        wait ? 1 : 0,
        stepMs,
        lookMs,
        spreadMs,
        provider,
        `${provider}/${model}`,
      );
      if (state === 'probe') return { pass: openProbe(provider, model, token, rule) };
      if (state === 'clear') return { pass: openPass(provider, model, rule) };
      const cooldown = toCooldown(scope, CooldownEntry.parse(JSON.parse(json)), now());
      return { aside: { delayMs: Math.max(1, Number(delayMs)), error: toCooldownError(cooldown, now()) } };
    },
    close() {
      clearInterval(reader);
      clearInterval(teller);
    },
  };
}

/** Why a request cannot be served by this model now. */
export function toCooldownError(cooldown: Cooldown, now: number = Date.now()): ModelManagerError {
  const { provider, model, failures, calls, lastError, until } = cooldown;
  const name = model === undefined ? provider : `${provider}/${model}`;
  const seconds = Math.max(1, Math.ceil((until - now) / 1_000));
  return new ModelManagerError(
    'unavailable',
    `${name} is set aside: ${failures} of its last ${calls} calls failed (${lastError}). It is tried again in ${seconds} s.`,
    {
      provider,
      retryable: true,
      retryAfterMs: Math.max(0, until - now),
      hint: 'Ask another model, name fallbacks, or wait; check_health shows what is set aside.',
    },
  );
}
