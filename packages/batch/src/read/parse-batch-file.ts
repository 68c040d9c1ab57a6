import { type BatchItem, ModelManagerError } from '@aimm/contracts';
import { createItemBuilder, type RawItem } from './build-item.ts';
import { createFaults, type Faults } from './faults.ts';
import { readCsv } from './read-csv.ts';
import { readJsonDocument, readJsonLines } from './read-json.ts';
import { decode, NotUtf8Error } from './read-lines.ts';

/** `json`: a list of items, or a template with the values of its variables. */
export type BatchFileFormat = 'jsonl' | 'csv' | 'tsv' | 'json';

export interface BatchFile {
  /** Heads what is said of its faults; its ending tells the format where that is not given. */
  name: string;
  content: AsyncIterable<string | Uint8Array>;
  format?: BatchFileFormat | undefined;
}

export interface ParseBatchOptions {
  /** The prompt of every row, with `{{name}}` for its variables. */
  template?: string | undefined;
  /** System instructions of every item without its own; variables are filled in. */
  system?: string | undefined;
  /** Of the text of one item. Default: 1,000,000. */
  maxPromptBytes?: number | undefined;
  maxItems?: number | undefined;
}

/**
 * The items of a file, as it is read: JSON lines (ours, or those of OpenAI's batch files), CSV, or JSON. An item's id is its
 * own, else its number. From the first fault on nothing more is given out, while up to 20 faults are gathered: what came
 * before counts only once the end was reached.
 *
 * @throws ModelManagerError `invalid_request` naming the place of each fault, its field and what is expected there, or that the file cannot be read
 */
export async function* parseBatchFile(file: BatchFile, options: ParseBatchOptions = {}): AsyncGenerator<BatchItem> {
  const { template, system, maxPromptBytes = 1_000_000, maxItems = Number.POSITIVE_INFINITY } = options;
  const faults = createFaults(file.name);
  const builder = createItemBuilder(faults, { maxPromptBytes, system });
  let count = 0;
  for await (const raw of readRaw(file, template, faults)) {
    count += 1;
    if (count > maxItems) {
      faults.add(raw.place, `a batch has at most ${maxItems} items. Split the file`);
      break;
    }
    const item = await builder.build(raw);
    if (item !== undefined && !faults.any) yield item;
  }
  if (count === 0 && !faults.any) faults.add('the file', 'holds no item');
  faults.end();
}

async function* readRaw(file: BatchFile, template: string | undefined, faults: Faults): AsyncGenerator<RawItem> {
  const texts = decode(file.content);
  try {
    switch (file.format ?? toFormat(file.name)) {
      case 'jsonl':
        return yield* readJsonLines(texts, template, faults);
      case 'csv':
        return yield* readCsv(texts, template, faults);
      case 'tsv':
        return yield* readCsv(texts, template, faults, '\t');
      case 'json':
        return yield* readJsonDocument(texts, template, faults);
    }
  } catch (error) {
    if (!(error instanceof NotUtf8Error)) throw toReadFault(file.name, error);
    faults.add(`line ${error.line}`, 'is not UTF-8. Save the file as UTF-8');
  }
}

/** What the system says of a file that is not there, is a folder or may not be read. */
function toReadFault(name: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return error;
  return new ModelManagerError('invalid_request', `${name} cannot be read (${String(error.code)}).`, {
    hint: 'Nothing was started. Name a file that exists and may be read.',
    cause: error,
  });
}

function toFormat(name: string): BatchFileFormat {
  const ending = /\.([a-z]+)$/i.exec(name)?.[1]?.toLowerCase();
  if (ending === 'csv' || ending === 'json') return ending;
  return ending === 'tsv' || ending === 'tab' ? 'tsv' : 'jsonl';
}
