import type { Message } from '@aimm/contracts';
import { estimateTokens } from './estimate-tokens.ts';

export interface TokenEstimator {
  /** Input tokens of a conversation for a provider of this kind. Until the vocabulary is loaded, by the text's bytes. */
  estimate(messages: readonly Message[], kind: string): number;
  /** Loads the vocabulary, which takes some 0.3 s of one core and 70 MB: for workers, and not while a client waits. */
  load(): Promise<void>;
}

/** Of a longer text only samples are counted. */
const countedChars = 64 * 1024;
const samples = 4;
/** The tokenizer's time grows with the square of a word's length; no language has words of this length. */
const longestWord = 128;

/** The first estimate starts loading in the background. */
export function createTokenEstimator(): TokenEstimator {
  let countWords: ((text: string) => number) | undefined;
  let loading: Promise<void> | undefined;

  const load = () =>
    (loading ??= import('gpt-tokenizer/encoding/o200k_base').then(({ countTokens }) => {
      // What looks like a control token is text here.
      countWords = (text) => countTokens(text, { disallowedSpecial: new Set() });
    }));

  return {
    load,
    estimate(messages, kind) {
      if (countWords === undefined) {
        // Without it the estimate stays what it is.
        load().catch(() => undefined);
        return estimateTokens(messages, kind);
      }
      const count = countWords;
      return estimateTokens(messages, kind, (text) => countSampled(text, count));
    },
  };
}

function countSampled(text: string, count: (text: string) => number): number {
  if (text.length <= countedChars) return countPieces(text, count);
  const length = countedChars / samples;
  const step = (text.length - length) / (samples - 1);
  let tokens = 0;
  for (let index = 0; index < samples; index += 1) {
    const start = Math.round(index * step);
    tokens += countPieces(text.slice(start, start + length), count);
  }
  return (tokens * text.length) / countedChars;
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
