import { randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';

const bytesPerId = 16;

/** Makes UUIDs of version 7. Asking the system for random bytes takes longer than all else about one: it is asked for many at once. */
export function createUuid(idsAtOnce = 256): () => string {
  const pool = new Uint8Array(bytesPerId * idsAtOnce);
  let used = pool.length;
  const rng = () => {
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    // A copy: the library writes into what it is given.
    return pool.slice(used, (used += bytesPerId));
  };
  return () => v7({ rng });
}
