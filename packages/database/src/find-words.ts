import type { SearchedWord } from './search-dialects.ts';

/** As FTS5's `unicode61` tells words apart. A mark belongs to the letter before it. */
const tokens = /[\p{L}\p{N}\p{Co}][\p{L}\p{N}\p{Co}\p{M}]*/gu;
const before = 4;
const shown = 16;

interface Token {
  at: number;
  end: number;
  word: string;
}

/**
 * Where a text has all of these words, each of them whole, begun or, with something between its letters, one behind the other:
 * some of the text around the first, or undefined. Whatever the case and the accents, as the search's index has it.
 */
export function createWordFinder(words: readonly SearchedWord[]): (text: string) => string | undefined {
  const wanted = words
    .map(({ text, isBeginning }) => ({ parts: readTokens(text).map(({ word }) => word), isBeginning }))
    .filter(({ parts }) => parts.length > 0);
  return (text) => {
    if (wanted.length === 0) return undefined;
    const folded = fold(text);
    // Most texts end here.
    if (!wanted.every(({ parts }) => folded.includes(parts[0] ?? ''))) return undefined;
    const found = readTokens(text);
    const places = wanted.map(({ parts, isBeginning }) =>
      found.findIndex((_, place) =>
        parts.every((part, index) => isPart(found[place + index], part, isBeginning && index === parts.length - 1)),
      ),
    );
    if (places.includes(-1)) return undefined;
    const marked = new Set(places.flatMap((place, index) => wanted[index]?.parts.map((_, more) => place + more) ?? []));
    return showAround(text, found, marked);
  };
}

function isPart(token: Token | undefined, part: string, isBeginning: boolean): boolean {
  return isBeginning ? token?.word.startsWith(part) === true : token?.word === part;
}

function readTokens(text: string): Token[] {
  return Array.from(text.matchAll(tokens), ({ 0: word, index }) => ({
    at: index,
    end: index + word.length,
    word: fold(word),
  }));
}

function fold(text: string): string {
  return (isPlain(text) ? text : text.normalize('NFD').replaceAll(/\p{M}/gu, '')).toLowerCase();
}

const isPlain = (text: string) => /^[\0-\x7f]*$/.test(text);

function showAround(text: string, found: readonly Token[], marked: ReadonlySet<number>): string {
  const first = Math.max(0, Math.min(...marked) - before);
  const around = found.slice(first, first + shown);
  const [start, end] = [
    first === 0 ? 0 : (around[0]?.at ?? 0),
    first + shown < found.length ? (around.at(-1)?.end ?? 0) : text.length,
  ];
  let snippet = first === 0 ? '' : '…';
  let at = start;
  for (const [index, token] of around.entries()) {
    if (!marked.has(first + index)) continue;
    snippet += `${text.slice(at, token.at)}**${text.slice(token.at, token.end)}**`;
    at = token.end;
  }
  return snippet + text.slice(at, end) + (end < text.length ? '…' : '');
}
