import type { BatchColumn, BatchVerdict } from '@aimm/contracts';

/** What each column came to before a judge that compared it with others. */
export interface Standing {
  wins: number;
  losses: number;
  ties: number;
}

interface Pair {
  columns: readonly [number, number];
  /** By item: the column that was named in the order that was heard first; -1 for none. Kept until the other is heard. */
  heard: Map<number, number>;
}

export interface PairVerdicts {
  /** Takes what a judge's column said of an item. Each order is to be told once. */
  add(column: BatchColumn, item: number, winner: NonNullable<BatchVerdict['winner']>): void;
  of(column: number): Standing;
}

/**
 * Counts the verdicts of judges that were asked in both orders: who was named both times has won; where they were not of one
 * mind, both have tied. An item of which only one order was heard counts for nobody.
 */
export function createPairVerdicts(): PairVerdicts {
  const pairs = new Map<string, Pair>();
  const standings = new Map<number, Standing>();
  const standingOf = (column: number): Standing => {
    const known = standings.get(column) ?? { wins: 0, losses: 0, ties: 0 };
    standings.set(column, known);
    return known;
  };
  return {
    add(column, item, winner) {
      const [first, second] = column.judges ?? [];
      if (first === undefined || second === undefined) return;
      const columns = [Math.min(first, second), Math.max(first, second)] as const;
      const key = JSON.stringify([column.provider, column.model, column.variant, ...columns]);
      const pair = pairs.get(key) ?? { columns, heard: new Map() };
      pairs.set(key, pair);
      const named = { first, second, tie: -1 }[winner];
      const before = pair.heard.get(item);
      if (before === undefined) {
        pair.heard.set(item, named);
        return;
      }
      pair.heard.delete(item);
      for (const each of columns) {
        if (before !== named || named === -1) standingOf(each).ties += 1;
        else if (each === named) standingOf(each).wins += 1;
        else standingOf(each).losses += 1;
      }
    },
    of: standingOf,
  };
}
