import type { BatchBudgets } from '../../src/batch/batch-budgets.ts';

/** There is room for everything, and nothing is held. */
export const unlimitedBudgets: BatchBudgets = {
  plan: (_batch, payload) => payload,
  reserve: (_batch, payloads) => Promise.resolve({ reserved: [...payloads] }),
  release: () => Promise.resolve(),
  releaseLost: () => Promise.resolve(),
  charge: () => Promise.resolve(),
  settle: () => Promise.resolve(),
  concern: () => false,
};
