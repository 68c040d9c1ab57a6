import fc from 'fast-check';
import { readFuzzSettings } from './env.ts';
import { show } from './show.ts';

const { seed, inputs } = readFuzzSettings();
export { inputs };
process.stderr.write(`fuzz: FUZZ_SEED=${seed} FUZZ_INPUTS=${inputs}\n`);

/** How long anybody may take for an answer. */
export const answerWithinMs = 5_000;

const perInputMs = 60;
const atLeastMs = 60_000;

/** Time for this part of the inputs, and for making a counterexample small. */
export const timeFor = (share: number): number => atLeastMs + share * inputs * perInputMs;

/**
 * Checks its share of all inputs one after the other. The first that fails is made smaller, and told together with what
 * makes it come again.
 *
 * @returns how many there were
 */
export async function fuzz<T>(
  share: number,
  arbitrary: fc.Arbitrary<T>,
  check: (input: T) => Promise<void>,
): Promise<number> {
  const numRuns = Math.max(1, Math.round(share * inputs));
  const outcome = await fc.check(fc.asyncProperty(arbitrary, check), {
    seed,
    numRuns,
    interruptAfterTimeLimit: timeFor(share) - 10_000,
    markInterruptAsFailure: true,
  });
  if (!outcome.failed) return numRuns;
  const { counterexample, counterexamplePath, errorInstance, numRuns: ran, numShrinks } = outcome;
  const input = counterexample === null ? 'none: the time was over' : show(counterexample[0]);
  throw new Error(
    `Input ${ran} of ${numRuns} failed (path ${counterexamplePath}, made smaller ${numShrinks} times).\n` +
      `To repeat it: FUZZ_SEED=${seed} FUZZ_INPUTS=${inputs} npm run test:fuzz\nInput: ${input}`,
    { cause: errorInstance },
  );
}

/** @throws after five seconds, naming what was waited for */
export async function within<T>(what: string, promise: Promise<T>, timeoutMs = answerWithinMs): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what} took longer than ${timeoutMs / 1000} s`)), timeoutMs);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
