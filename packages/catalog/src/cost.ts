import type { Usage } from '@aimm/contracts';
import type { RateTable } from './price-rates.ts';

const million = 1_000_000n;

/**
 * What a call cost, in integer nano-dollars, rounded half up once at the end; null when neither count is known.
 * `inputTokens` includes the cached ones and `outputTokens` the reasoning ones. Counts that contradict each other are
 * read in the user's favour: no part is billed twice, none below zero.
 */
export function computeCost(usage: Usage, table: RateTable, cachedForAnHour = false): number | null {
  if (usage.inputTokens === undefined && usage.outputTokens === undefined) return null;
  const cacheRead = usage.cacheReadTokens ?? 0;
  const cacheWrite = usage.cacheWriteTokens ?? 0;
  const input = usage.inputTokens ?? cacheRead + cacheWrite;
  const output = usage.outputTokens ?? 0;
  const readPart = Math.min(cacheRead, input);
  const writePart = Math.min(cacheWrite, input - readPart);
  const reasoningPart = Math.min(usage.reasoningTokens ?? 0, output);

  const audioReadPart = Math.min(usage.audioCacheReadTokens ?? 0, readPart);
  const heard = Math.max((usage.audioTokens ?? 0) - audioReadPart, 0);
  const audioPart = Math.min(heard, input - readPart - writePart);

  const rates = table.ratesAt(input);
  const writeRate = (cachedForAnHour ? rates.cacheWriteHour : undefined) ?? rates.cacheWrite ?? rates.input;
  const total =
    bill(input - readPart - writePart - audioPart, rates.input) +
    bill(audioPart, rates.inputAudio ?? rates.input) +
    bill(readPart - audioReadPart, rates.cacheRead ?? rates.input) +
    bill(audioReadPart, rates.cacheReadAudio ?? rates.cacheRead ?? rates.inputAudio ?? rates.input) +
    bill(writePart, writeRate) +
    bill(output - reasoningPart, rates.output) +
    bill(reasoningPart, rates.reasoning ?? rates.output);
  return Number((total + million / 2n) / million);
}

/**
 * Exact: tokens × nano-dollars per million tokens. Prices have far fewer than nine decimals, so their nano-dollars are
 * whole numbers; the products pass 2^53, hence bigint.
 */
function bill(tokens: number, usdPerMillion: number): bigint {
  return BigInt(Math.round(tokens)) * BigInt(Math.round(usdPerMillion * 1e9));
}
