import { setImmediate as nextTurn } from 'node:timers/promises';

/** Rows that are changed in one statement: SQLite answers before it returns. */
export const rowsAtOnce = 1_000;

/** In pieces, so that whatever else the process does is not held up; gives how many rows were changed. */
export async function inSteps(step: () => PromiseLike<number>): Promise<number> {
  let changed = 0;
  for (let last = rowsAtOnce; last === rowsAtOnce; changed += last) {
    last = await step();
    await nextTurn();
  }
  return changed;
}
