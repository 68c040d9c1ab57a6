import { pipeline, Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { AssertionInput, describeType } from '../assertions/assertion-input.ts';
import { findFirstWord, isUnsupportedType, parseShortForm } from '../assertions/short-form.ts';
import { describeIssue } from '../input/describe-issue.ts';
import type { RawItem } from './build-item.ts';
import type { Faults } from './faults.ts';

const maxRecordBytes = 64 * 2 ** 20;
const expectedColumn = /^(?:expected|__expected\d*)$/;
const reserved = ['id', 'prompt', 'system'];

/**
 * Rows under a heading: `prompt` (or a template), `id`, `system`, `expected`; every other column is a variable.
 *
 * @param delimiter undefined: what the heading is divided by, a comma where in doubt
 */
export async function* readCsv(
  texts: AsyncIterable<string>,
  template: string | undefined,
  faults: Faults,
  delimiter?: string,
): AsyncGenerator<RawItem> {
  const { heading, all } = await peekHeading(texts);
  const parser = parse({
    delimiter: delimiter ?? findDelimiter(heading),
    // Files that were put together end their lines in both ways.
    record_delimiter: ['\r\n', '\n', '\r'],
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: maxRecordBytes,
  });
  // A failure of either is thrown by the loop below.
  pipeline(Readable.from(all), parser, () => {});
  let columns: string[] | undefined;
  let [row, endOfLast] = [0, 0];
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
      const place = `row ${row} (line ${endOfLast + 1})`;
      endOfLast = info.lines;
      row += 1;
      if (columns === undefined) {
        columns = record.map((name) => name.trim());
        if (!checkHeading(columns, template, faults)) return;
      } else if (record.length !== columns.length)
        faults.add(place, `expected ${columns.length} cells as in the heading, got ${record.length}`);
      else {
        const input = toInput(columns, record, template, place, faults);
        if (input !== undefined) yield { place, number: row - 1, input };
      }
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    faults.add(`row ${row}`, `is not CSV: ${error.message}`);
  }
}

/** False: there is no use in reading on. */
function checkHeading(columns: readonly string[], template: string | undefined, faults: Faults): boolean {
  const twice = columns.find((name, index) => columns.indexOf(name) !== index);
  const found = [
    ...(columns.includes('') ? ['a column has no name'] : []),
    ...(twice === undefined || twice === '' ? [] : [`the column ${twice} is there twice`]),
    ...(template === undefined && !columns.includes('prompt')
      ? [`expected a column prompt, or a template for the columns ${columns.join(', ').slice(0, 200)}`]
      : []),
    ...(template !== undefined && columns.includes('prompt')
      ? ['prompt: there is a template, which gives it. Rename the column, or leave out the template']
      : []),
  ];
  faults.add('the heading', ...found);
  return found.length === 0;
}

function toInput(
  columns: readonly string[],
  record: readonly string[],
  template: string | undefined,
  place: string,
  faults: Faults,
): Record<string, unknown> | undefined {
  const cells = columns.map((name, index) => [name, record[index] ?? ''] as const);
  const vars = cells.filter(([name]) => !reserved.includes(name) && !expectedColumn.test(name));
  const given = Object.fromEntries(cells.filter(([name, value]) => reserved.includes(name) && value !== ''));
  const wanted = cells.filter(([name, value]) => expectedColumn.test(name) && value.trim() !== '');
  const refused = wanted.find(([, value]) => isUnsupportedType(findFirstWord(value) ?? ''));
  if (refused !== undefined) {
    faults.add(place, `${refused[0]}: ${describeType(findFirstWord(refused[1]))}`);
    return undefined;
  }
  const assert = wanted.map(([, value]) => parseShortForm(value) ?? { type: 'equals', value });
  const found = wanted.flatMap(([name], index) => findFaults(assert[index]).map((fault) => `${name}: ${fault}`));
  faults.add(place, ...found);
  if (found.length > 0) return undefined;
  return {
    ...given,
    ...(template !== undefined && { prompt: template }),
    ...((vars.length > 0 || template !== undefined) && { vars: Object.fromEntries(vars) }),
    ...(assert.length > 0 && { assert }),
  };
}

/** A cell may begin as an assertion does and be meant as it stands. */
function findFaults(assertion: unknown): string[] {
  const { error } = AssertionInput.safeParse(assertion, { reportInput: true });
  const faults = (error?.issues ?? []).flatMap((issue) => describeIssue(issue, []));
  return faults.map((fault) => `${fault.replace(/^- /, '')} For the text itself write equals: before it`);
}

/** A heading's names hold no delimiter as a rule; where there is a comma, that is what CSV says. */
function findDelimiter(heading: string): string {
  const bare = heading.replaceAll(/"[^"]*"/g, '');
  return [',', ';', '\t'].find((delimiter) => bare.includes(delimiter)) ?? ',';
}

async function peekHeading(texts: AsyncIterable<string>): Promise<{ heading: string; all: AsyncIterable<string> }> {
  const iterator = texts[Symbol.asyncIterator]();
  let begun = '';
  while (!begun.trimStart().includes('\n')) {
    const next = await iterator.next();
    if (next.done === true) break;
    begun += next.value;
    if (begun.length > 2 ** 20) break;
  }
  async function* replay() {
    yield begun;
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  return { heading: begun.trimStart().split('\n', 1)[0] ?? '', all: replay() };
}
