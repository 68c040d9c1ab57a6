import type { Preference } from '@aimm/catalog';

/** By what one of several models is chosen; `listed`: the order given. */
export type Order = Preference | 'listed';

/** A model that could answer, and what is known of how it would. */
export interface Candidate {
  /** `provider/model`. */
  name: string;
  /** Estimated cost of this very request in nano-dollars; absent where the price is unknown. */
  costNanoUsd?: number | undefined;
  /** Expected time of the whole answer in milliseconds, from what was measured; absent where nothing was. */
  expectedMs?: number | undefined;
  /** It failed too often, and is set aside for now. */
  isAside: boolean;
}

/**
 * The candidates, best first. What is set aside comes last, then what nothing is known of; ties keep the order given.
 * `balanced` adds up cost and time, each as a share of the highest; a model without a time counts as the median. Pure.
 */
export function rankModels<C extends Candidate>(candidates: readonly C[], prefer: Order): C[] {
  const measure = toMeasure(candidates, prefer);
  return candidates.toSorted((a, b) => Number(a.isAside) - Number(b.isAside) || compare(measure(a), measure(b)));
}

function toMeasure(candidates: readonly Candidate[], prefer: Order): (candidate: Candidate) => number {
  switch (prefer) {
    case 'listed':
      return () => 0;
    case 'cheapest':
      return ({ costNanoUsd = Infinity }) => costNanoUsd;
    case 'fastest':
      return ({ expectedMs = Infinity }) => expectedMs;
    case 'balanced': {
      const times = candidates.flatMap(({ expectedMs }) => expectedMs ?? []).toSorted((a, b) => a - b);
      const usual = times[Math.floor((times.length - 1) / 2)] ?? 0;
      const highestCost = Math.max(1, ...candidates.flatMap(({ costNanoUsd }) => costNanoUsd ?? []));
      const highestTime = Math.max(1, ...times);
      // An unknown price may be any: it weighs as the highest, and a little more.
      return ({ costNanoUsd, expectedMs = usual }) =>
        (costNanoUsd === undefined ? 1.01 : costNanoUsd / highestCost) + expectedMs / highestTime;
    }
  }
}

function compare(a: number, b: number): number {
  // Infinity minus itself is no number.
  return a === b ? 0 : a - b;
}

/** One choice of so many goes to what was never measured: otherwise nothing new would ever be. */
const exploreEvery = 20;

/**
 * Where speed decides, what has no time yet is tried at every twentieth choice, one after the other; `choice` counts them.
 * Returns the model that is to be tried now. Pure.
 */
export function findUnmeasured<C extends Candidate>(candidates: readonly C[], choice: number): C | undefined {
  const unmeasured = candidates.filter(({ expectedMs, isAside }) => expectedMs === undefined && !isAside);
  if (unmeasured.length === candidates.length || choice % exploreEvery !== exploreEvery - 1) return undefined;
  return unmeasured[Math.floor(choice / exploreEvery) % unmeasured.length];
}
