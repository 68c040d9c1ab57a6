/** Random numbers that come again for the same seed; the seed is printed, and `FAULT_SEED` sets it. */
export function createRandom(): { between(low: number, high: number): number } {
  const seed = Number(process.env['FAULT_SEED'] ?? Date.now() % 1_000_000);
  if (!Number.isInteger(seed)) throw new Error(`FAULT_SEED: expected a whole number, not ${process.env['FAULT_SEED']}`);
  process.stderr.write(`seed: FAULT_SEED=${seed}\n`);
  let state = seed >>> 0;
  /** Mulberry32. */
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { between: (low, high) => low + next() * (high - low) };
}
