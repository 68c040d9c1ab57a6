import { stripVTControlCharacters } from 'node:util';
import stringWidth from 'string-width';

/** Text of others, without what would move the cursor, change colours or turn the direction of what follows. */
export function toPlainText(text: string): string {
  return stripVTControlCharacters(text).replaceAll(/(?!\n)[\p{Cc}\p{Bidi_Control}]/gu, ' ');
}

/** Cut to so many cells of a terminal, with `…` where something is missing. A wide character takes two. */
export function cutToWidth(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  return `${takeWidth(text, width - 1).head}…`;
}

export function padToWidth(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const padding = ' '.repeat(Math.max(0, width - stringWidth(text)));
  return align === 'left' ? text + padding : padding + text;
}

/** Lines of at most so many cells, broken between words where there are any; `…` ends what goes beyond `maxLines`. */
export function wrapToWidth(text: string, width: number, maxLines: number): string[] {
  const lines: string[] = [];
  let rest = toPlainText(text).replaceAll(/\s+/g, ' ').trim();
  while (rest !== '' && lines.length < maxLines) {
    if (stringWidth(rest) <= width) return [...lines, rest];
    if (lines.length === maxLines - 1) return [...lines, cutToWidth(rest, width)];
    const { head } = takeWidth(rest, width);
    const space = rest[head.length] === ' ' ? head.length : head.lastIndexOf(' ');
    const end = space > width / 3 ? space : head.length;
    lines.push(rest.slice(0, end).trimEnd());
    rest = rest.slice(end).trimStart();
  }
  return lines;
}

/** As much of its beginning as fits; at least one character, lest nobody gets on. */
function takeWidth(text: string, width: number): { head: string } {
  let [head, used] = ['', 0];
  for (const { segment } of new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(
    text.slice(0, width * 20),
  )) {
    used += stringWidth(segment);
    if (used > width && head !== '') break;
    head += segment;
    if (used > width) break;
  }
  return { head };
}
