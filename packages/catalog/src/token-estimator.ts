import { type Countable, type CountTokens, estimateText, estimateTokens } from './estimate-tokens.ts';

export interface TokenEstimator {
  /**
   * Input tokens of a request at a provider of this kind, by the rules of `estimateTokens`. Takes at most some
   * milliseconds, however long the request: of more than 6,000 characters samples are counted. Until the vocabulary is
   * loaded, by the text's bytes.
   */
  estimate(request: Countable, kind: string): number;
  /** Tokens of a text that a model wrote. */
  estimateText(text: string, kind: string): number;
  /** Loads the vocabulary, which takes some 0.3 s of one core and 70 MB: for workers, and not while a client waits. */
  load(): Promise<void>;
}

/** A millisecond counts some 3,000 characters of words that are new to it. */
const countedChars = 6_000;
const samples = 15;
/** The tokenizer's time grows with the square of a word's length; no language has words of this length. */
const longestWord = 128;

export function createTokenEstimator(): TokenEstimator {
  let countTexts: CountTokens | undefined;
  let loading: Promise<void> | undefined;

  async function load(): Promise<void> {
    // In steps, each of them a tenth of a second, so that what is under way gets its turn between them.
    await import('gpt-tokenizer/bpeRanks/o200k_base');
    await pause();
    const { countTokens } = await import('gpt-tokenizer/encoding/o200k_base');
    await pause();
    // What looks like a control token is text here.
    const count = (text: string) => countTokens(text, { disallowedSpecial: new Set() });
    // The first words take ten times as long as later ones. Text beyond Latin letters is another case to the engine.
    for (let round = 0; round < 6; round += 1) {
      countSampled([inventWords(round) + (round % 2 === 0 ? '' : ' “漢字”')], count);
      await pause();
    }
    countTexts = (texts) => countSampled(texts, count);
  }

  return {
    load: () => (loading ??= load()),
    estimate: (request, kind) => estimateTokens(request, kind, countTexts),
    estimateText: (text, kind) => estimateText(text, kind, countTexts),
  };
}

/** Text of the shape of any: words, numbers and marks of all lengths. */
function inventWords(round: number): string {
  return Array.from({ length: 300 }, (_, index) => ((index + round * 300) * 7_919 * (index % 97)).toString(36)).join(
    ' ',
  );
}

function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Of long texts as many samples as of all of them together, spread evenly. */
function countSampled(texts: readonly string[], count: (text: string) => number): number {
  const length = texts.reduce((sum, text) => sum + text.length, 0);
  if (length <= countedChars) return texts.reduce((sum, text) => sum + countPieces(text, count), 0);
  const whole = texts.join('\n');
  const size = countedChars / samples;
  const step = (whole.length - size) / (samples - 1);
  let tokens = 0;
  for (let index = 0; index < samples; index += 1) {
    const start = Math.round(index * step);
    tokens += countPieces(whole.slice(start, start + size), count);
  }
  return (tokens * whole.length) / countedChars;
}

/** Cuts what has no space for too long (base64, Chinese without punctuation) into pieces. */
function countPieces(text: string, count: (text: string) => number): number {
  const longWord = new RegExp(`\\S{${longestWord + 1},}`, 'g');
  let tokens = 0;
  let end = 0;
  for (const { 0: word, index } of text.matchAll(longWord)) {
    tokens += count(text.slice(end, index));
    for (let at = 0; at < word.length; at += longestWord) tokens += count(word.slice(at, at + longestWord));
    end = index + word.length;
  }
  return tokens + count(text.slice(end));
}
