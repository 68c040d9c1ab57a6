import type { GeneratePayload, ModelManagerError } from '@aimm/contracts';
import {
  type AdmissionNeed,
  type Aside,
  type Cooldowns,
  hasFreeHop,
  type JobContext,
  type Pass,
  toCooldownError,
} from '@aimm/queue';
import type { AdmissionNeeds } from '../admission-need.ts';

/** A run's way to its model: free, once it has entered, or set aside by failures of others. */
export interface WayIn {
  /** What the calls of this run end with; absent before it has entered, and where the model is set aside. */
  readonly pass: Pass | undefined;
  /** Why the model is not free. */
  readonly aside: Aside | undefined;
  /** Looks whether the model is set aside. `turnedOut`: it was, although it had looked free. */
  enter(options?: { turnedOut?: boolean }): Promise<void>;
  /** What the limits are asked for when a call is to start. */
  need(): AdmissionNeed;
  /** Whether another model is set aside, as far as this worker knows. */
  isAside: (provider: string, model: string) => boolean;
  /** Whether a fallback that is not set aside could have the request after this error. */
  hasFreeHop(error: ModelManagerError): boolean;
}

/** @param payload as its model is asked: what its limits need is counted of it */
export function createWayIn(
  payload: GeneratePayload,
  { now }: Pick<JobContext, 'now'>,
  { cooldowns, needs }: { cooldowns: Cooldowns; needs: AdmissionNeeds },
): WayIn {
  const { provider, request } = payload;
  let pass: Pass | undefined;
  let aside: Aside | undefined;
  let needed: AdmissionNeed | undefined;
  const way: WayIn = {
    get pass() {
      return pass;
    },
    get aside() {
      return aside;
    },
    async enter({ turnedOut = false } = {}) {
      const known = cooldowns.find(provider, request.model);
      // It waits for its turn to probe only where nobody else could answer.
      const wait = known === undefined || !way.hasFreeHop(toCooldownError(known, now()));
      const entrance = await cooldowns.enter(provider, request.model, { wait, turnedOut });
      pass = 'pass' in entrance ? entrance.pass : undefined;
      aside = 'aside' in entrance ? entrance.aside : undefined;
    },
    need: () => ({ ...(needed ??= needs.toNeed(payload)), freeOf: pass?.freeOf }),
    isAside: (other, model) => cooldowns.find(other, model) !== undefined,
    hasFreeHop: (error) => hasFreeHop(payload, error.toShape(), now(), way.isAside),
  };
  return way;
}
