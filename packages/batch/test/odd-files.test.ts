import { createReadStream } from 'node:fs';
import { type BatchFileFormat, parseBatchFile } from '@aimm/batch';
import { type BatchItem, ModelManagerError } from '@aimm/contracts';
import fc from 'fast-check';
import { expect, test } from 'vitest';

fc.configureGlobal({ seed: 1 });

async function read(content: string | Uint8Array, format: BatchFileFormat, template?: string): Promise<BatchItem[]> {
  const items: BatchItem[] = [];
  async function* whole() {
    yield content;
  }
  for await (const item of parseBatchFile({ name: 'file', content: whole(), format }, { template })) items.push(item);
  return items;
}

async function collect(reading: AsyncIterable<BatchItem>): Promise<BatchItem[]> {
  const items: BatchItem[] = [];
  for await (const item of reading) items.push(item);
  return items;
}

const formats = fc.constantFrom<BatchFileFormat>('jsonl', 'csv', 'tsv', 'json');
const pieces = [
  ['{"prompt": "a"}', '{"prompt":', '"vars"', '{"a": [1, 2]}', '"assert": ["regex: ("]', '}', '[', ']', ':', ','],
  [
    'prompt',
    'id',
    '__expected',
    '\n',
    '\r\n',
    '"',
    ';',
    '\t',
    '{{a}}',
    '\\{{',
    'contains: x',
    '\uFEFF',
    '\u0000',
    '🌍',
  ],
  ['{"custom_id": "a", "body": {"messages": [{"role": "user", "content": "x"}]}}', '"__proto__"', '1e999', 'null'],
].flat();

test('whatever a file holds, it is read or refused with what is wrong', async () => {
  const content = fc.oneof(
    fc.array(fc.constantFrom(...pieces), { maxLength: 30 }).map((all) => all.join('')),
    fc.uint8Array({ maxLength: 80 }),
    fc.array(fc.json(), { maxLength: 4 }).map((lines) => lines.join('\n')),
  );
  const template = fc.option(fc.constant('Say {{a}}'), { nil: undefined });
  await fc.assert(
    fc.asyncProperty(content, formats, template, async (given, format, prompt) => {
      const outcome = await read(given, format, prompt).then(
        (items) => (items.length > 0 ? 'read' : 'nothing'),
        (error: unknown) => {
          if (error instanceof ModelManagerError && error.code === 'invalid_request') return error.message;
          throw error;
        },
      );
      expect(outcome).toMatch(/^read$|^file cannot be used:\n- /);
    }),
    { numRuns: 400 },
  );
});

test('JSON of endless levels is refused, not followed', async () => {
  const deep = `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`;
  await expect(read(`{"prompt": "x", "vars": ${deep}}`, 'jsonl')).rejects.toThrow('line 1');
  await expect(read(`{"prompt": "x", "nobody": ${deep}}`, 'jsonl')).rejects.toThrow('nobody: unknown field');
  await expect(read(`{"prompt": "{{a}}", "vars": {"a": ${deep}}}`, 'json')).rejects.toThrow('combination 1');
});

const word = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1 }),
  fc.constantFrom('{{lang}}', 'a {{ b }}', '\\{{c}}', '{{{d}}}', '{{'),
);
const rows = fc.uniqueArray(
  fc.record({ id: fc.string({ minLength: 1, maxLength: 20 }), prompt: word, system: word, lang: fc.string() }),
  {
    selector: (row) => row.id,
    minLength: 1,
    maxLength: 6,
  },
);
type Row = { id: string; prompt: string; system: string; lang: string };

const toItem = ({ id, prompt, system, lang }: Row): BatchItem => ({
  id,
  messages: [
    { role: 'system', content: [{ type: 'text', text: system }] },
    { role: 'user', content: [{ type: 'text', text: prompt }] },
  ],
  vars: { lang },
});
const escape = (text: string) => text.replaceAll(/\{\{(?=\s*[\p{L}_][\p{L}\p{N}_.-]*\s*\}\})/gu, '\\{{');
const escapeBraces = (row: Row): Row => ({ ...row, prompt: escape(row.prompt), system: escape(row.system) });

test('items that were written as JSON lines, JSON or CSV are those that are read', async () => {
  const quote = (cell: string) => `"${cell.replaceAll('"', '""')}"`;
  await fc.assert(
    fc.asyncProperty(rows, async (given) => {
      const items = given.map(toItem);
      const written = given.map(escapeBraces).map(({ lang, ...row }) => ({ ...row, vars: { lang } }));
      expect(await read(written.map((row) => JSON.stringify(row)).join('\n'), 'jsonl')).toEqual(items);
      expect(await read(JSON.stringify(written), 'json')).toEqual(items);
      const cells = given
        .map(escapeBraces)
        .map(({ id, prompt, system, lang }) => [id, prompt, system, lang].map(quote));
      expect(await read(['id,prompt,system,lang', ...cells.map((row) => row.join(','))].join('\r\n'), 'csv')).toEqual(
        items,
      );
    }),
  );
});

const bytesOf = (...parts: (string | number[])[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));

test.each([
  ['jsonl', 3, bytesOf('{"prompt": "a"}\n{"prompt": "Größe €"}\n{"prompt": "Gr', [0xf6], '"}\n{"prompt": "b"}\n')],
  ['csv', 2, bytesOf('prompt\r\nGr', [0xf6], '\r\n')],
  ['json', 2, bytesOf('[{"prompt": "a"},\n{"prompt": "', [0xff], '"}]')],
  // Cut off within a character.
  ['jsonl', 2, bytesOf('{"prompt": "a"}\n{"prompt": "', [0xe2, 0x82])],
] as const)(
  'of a file of %s that is not UTF-8 line %i is named, however it comes in pieces',
  async (format, line, bytes) => {
    for (const size of [1, 3, 7, bytes.length]) {
      async function* chunks() {
        for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
      }
      const reading = collect(parseBatchFile({ name: 'file', content: chunks(), format }));
      await expect(reading).rejects.toThrow(`- line ${line}: is not UTF-8. Save the file as UTF-8`);
    }
  },
);

test('a file that is not there, or a folder, is refused as one that cannot be read', async () => {
  for (const [path, format] of [
    ['/nonexistent/a.jsonl', 'jsonl'],
    ['/', 'csv'],
  ] as const) {
    const reading = collect(parseBatchFile({ name: path, content: createReadStream(path), format }));
    const error: unknown = await reading.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'invalid_request', message: expect.stringMatching(/cannot be read \(E\w+\)/) });
  }
});

test.each([
  ['prompt,__expected\r\na,contains: x\nb,contains: y\n'],
  ['prompt,__expected\na,contains: x\r\nb,contains: y\r\n'],
  ['prompt,__expected\r"a",contains: x\rb,contains: y\r'],
])('rows of CSV end in any way, also in two: %j', async (content) => {
  for (const size of [1, content.length]) {
    async function* chunks() {
      for (let at = 0; at < content.length; at += size) yield content.slice(at, at + size);
    }
    const items = await collect(parseBatchFile({ name: 'rows.csv', content: chunks() }));
    expect(items.map(({ messages, assertions }) => [messages[0]?.content[0], assertions?.[0]])).toEqual([
      [
        { type: 'text', text: 'a' },
        { type: 'contains', value: 'x' },
      ],
      [
        { type: 'text', text: 'b' },
        { type: 'contains', value: 'y' },
      ],
    ]);
  }
});

test('rows of one column keep apart where the heading ends in another way', async () => {
  const items = await read('prompt\r\na\nb\nc\n', 'csv');
  expect(items.map(({ id }) => id)).toEqual(['1', '2', '3']);
});

test('system instructions for all items take the variables of each, and give way to an item’s own', async () => {
  const content = [
    '{"prompt": "a", "vars": {"lang": "French"}}',
    '{"prompt": "b", "system": "Be {{lang}}", "vars": {"lang": "brief"}}',
    '{"prompt": "c"}',
  ].join('\n');
  async function* whole() {
    yield content;
  }
  const items = await collect(parseBatchFile({ name: 'a.jsonl', content: whole() }, { system: 'In {{lang}}' }));
  expect(items.map(({ messages }) => messages[0])).toMatchObject(
    ['In French', 'Be brief', 'In {{lang}}'].map((text) => ({ role: 'system', content: [{ type: 'text', text }] })),
  );
  async function* lacking() {
    yield '{"prompt": "a", "vars": {"tone": "dry"}}';
  }
  const reading = collect(parseBatchFile({ name: 'a.jsonl', content: lacking() }, { system: 'In {{lang}}' }));
  await expect(reading).rejects.toThrow('{{lang}} stands in the text, and there is no variable lang');
});
