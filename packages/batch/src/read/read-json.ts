import type { RawItem } from './build-item.ts';
import { findFaultyLine } from './find-faulty-line.ts';
import type { Faults } from './faults.ts';
import { convertOpenAiLine, isOpenAiLine } from './openai-line.ts';
import { readLines } from './read-lines.ts';
import { readSpec } from './read-spec.ts';

/** Longer than any prompt with its images. */
const maxLineLength = 64 * 2 ** 20;
const maxDocumentLength = 64 * 2 ** 20;

/** Each line of JSON lines; empty ones are passed over. */
export async function* readJsonLines(
  texts: AsyncIterable<string>,
  template: string | undefined,
  faults: Faults,
): AsyncGenerator<RawItem> {
  for await (const { text, number } of readLines(limitLines(texts, faults))) {
    if (text.trim() === '') continue;
    const place = `line ${number}`;
    const parsed = parseJson(text);
    if (parsed === undefined) faults.add(place, 'is not JSON. Expected one object on each line');
    else yield* toRaw(parsed.value, place, number, template, faults);
  }
}

/** A file that is one JSON value: a list of items, or a template with its variables. */
export async function* readJsonDocument(
  texts: AsyncIterable<string>,
  template: string | undefined,
  faults: Faults,
): AsyncGenerator<RawItem> {
  let whole = '';
  for await (const text of texts) {
    whole += text;
    if (whole.length > maxDocumentLength) return faults.add('the file', 'is longer than 64 MB: write it as JSON lines');
  }
  if (whole.trim() === '') return;
  const parsed = parseJson(whole);
  if (parsed === undefined)
    return faults.add(
      `line ${findFaultyLine(whole)}`,
      'is not JSON. For one object on each line name the file .jsonl, or give its format',
    );
  const { value } = parsed;
  if (!Array.isArray(value)) return yield* readSpec(value, faults);
  for (const [index, entry] of value.entries()) yield* toRaw(entry, `entry ${index + 1}`, index + 1, template, faults);
}

function* toRaw(value: unknown, place: string, number: number, template: string | undefined, faults: Faults) {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return faults.add(place, 'expected an object such as {"prompt": "…"}');
  if (isOpenAiLine(value)) {
    const converted = convertOpenAiLine(value);
    if ('fault' in converted) return faults.add(place, converted.fault);
    yield { place, number, input: converted.input };
  } else if (template === undefined) yield { place, number, input: value };
  else if ('prompt' in value || 'messages' in value)
    faults.add(place, 'prompt: there is a template, which gives it. Leave it out, or the template');
  else yield { place, number, input: { vars: {}, ...value, prompt: template } };
}

/** Breaks off at a line that would fill the memory. */
async function* limitLines(texts: AsyncIterable<string>, faults: Faults): AsyncGenerator<string> {
  let length = 0;
  for await (const text of texts) {
    const end = text.lastIndexOf('\n');
    length = end < 0 ? length + text.length : text.length - end;
    if (length > maxLineLength) {
      faults.add('the file', 'has a line longer than 64 MB. Expected one object on each line');
      return;
    }
    yield text;
  }
}

function parseJson(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined; // said by the caller, with its place
  }
}
