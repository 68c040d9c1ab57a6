/** Cells of the table that finds what two texts share; above it the comparison would be felt. */
const maxCells = 4_000_000;

/**
 * What makes `text` of `base`, word by word: runs of `same`, `added` and `removed`, which joined without the removed are
 * `text`. Undefined where both are too long to be compared.
 */
export function toDifference(base, text) {
  const [from, to] = [toWords(base), toWords(text)];
  let start = 0;
  while (start < from.length && start < to.length && from[start] === to[start]) start += 1;
  let end = 0;
  while (end < from.length - start && end < to.length - start && from.at(-1 - end) === to.at(-1 - end)) end += 1;
  const middle = compare(from.slice(start, from.length - end), to.slice(start, to.length - end));
  if (middle === undefined) return undefined;
  const runs = [
    { kind: 'same', words: to.slice(0, start) },
    ...middle,
    { kind: 'same', words: to.slice(to.length - end) },
  ];
  return join(runs);
}

function toWords(text) {
  return [...new Intl.Segmenter(undefined, { granularity: 'word' }).segment(text)].map(({ segment }) => segment);
}

/** The longest common subsequence, read off a table of its lengths. */
function compare(from, to) {
  if (from.length * to.length > maxCells) return undefined;
  const width = to.length + 1;
  const lengths = new Uint16Array((from.length + 1) * width);
  for (let row = from.length - 1; row >= 0; row -= 1) {
    for (let column = to.length - 1; column >= 0; column -= 1) {
      const place = row * width + column;
      lengths[place] =
        from[row] === to[column]
          ? lengths[place + width + 1] + 1
          : Math.max(lengths[place + width], lengths[place + 1]);
    }
  }
  const runs = [];
  let [row, column] = [0, 0];
  while (row < from.length || column < to.length) {
    const place = row * width + column;
    if (row < from.length && column < to.length && from[row] === to[column]) {
      runs.push({ kind: 'same', words: [to[column]] });
      row += 1;
      column += 1;
    } else if (column >= to.length || (row < from.length && lengths[place + width] >= lengths[place + 1])) {
      runs.push({ kind: 'removed', words: [from[row]] });
      row += 1;
    } else {
      runs.push({ kind: 'added', words: [to[column]] });
      column += 1;
    }
  }
  return runs;
}

/** Changes with nothing but white space between them are one: what was taken out first, then what came in its place. */
function join(runs) {
  const joined = [];
  let [removed, added, blank] = ['', '', ''];
  const change = () => {
    if (removed !== '') joined.push({ kind: 'removed', text: removed });
    if (added !== '') joined.push({ kind: 'added', text: added });
    if (blank !== '') joined.push({ kind: 'same', text: blank });
    [removed, added, blank] = ['', '', ''];
  };
  for (const { kind, words } of runs) {
    const text = words.join('');
    const isChanging = removed !== '' || added !== '';
    if (text === '') continue;
    if (kind === 'same' && isChanging && text.trim() === '') blank += text;
    else if (kind === 'same') {
      change();
      joined.push({ kind, text });
    } else {
      [removed, added] = isChanging ? [removed + blank, added + blank] : [removed, added];
      blank = '';
      if (kind === 'removed') removed += text;
      else added += text;
    }
  }
  change();
  return joined.reduce((all, run) => {
    const last = all.at(-1);
    if (last?.kind === run.kind) last.text += run.text;
    else all.push({ ...run });
    return all;
  }, []);
}
