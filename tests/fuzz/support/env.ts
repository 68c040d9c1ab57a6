export interface FuzzSettings {
  /** The same seed and number of inputs make the same inputs in the same order. */
  seed: number;
  /** How many inputs the whole project makes; each test file takes its part. */
  inputs: number;
}

const quickInputs = 500;

/** Without a number of inputs the selection that `npm test` runs: small, and the same each time. */
export function readFuzzSettings(env: NodeJS.ProcessEnv = process.env): FuzzSettings {
  const { FUZZ_SEED: seed, FUZZ_INPUTS: inputs } = env;
  return {
    inputs: inputs === undefined ? quickInputs : parse('FUZZ_INPUTS', inputs),
    seed: seed !== undefined ? parse('FUZZ_SEED', seed) : inputs === undefined ? 1 : Date.now() % 1_000_000,
  };
}

function parse(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`${name}: expected a whole number, got "${text}"`);
  return Number(text);
}
