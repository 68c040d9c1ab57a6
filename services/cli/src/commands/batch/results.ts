import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import type { Writable } from 'node:stream';
import { takesColour } from '../../env.ts';
import { withSession } from '../../session.ts';

type Format = 'table' | 'jsonl' | 'csv' | 'md' | 'html';

interface ResultsOptions {
  format: Format;
  json?: boolean;
  out?: string;
}

export async function results(id: string, { format: named, json, out }: ResultsOptions): Promise<void> {
  const format = json === true ? 'jsonl' : named;
  const { renderResults } = await import('@aimm/batch');
  await withSession(async ({ manager, caller }) => {
    const view = await manager.getBatch(caller, id);
    const isTerminal = out === undefined && process.stdout.isTTY;
    const pieces = renderResults(format, view, manager.batchResults(caller, id), {
      ...(isTerminal && { width: process.stdout.columns }),
      colours: isTerminal && takesColour(process.stdout),
    });
    if (out === undefined) return write(pieces, process.stdout);
    const file = createWriteStream(out);
    await write(pieces, file);
    file.end();
    await finished(file);
    process.stderr.write(`Wrote ${out}\n`);
  });
}

async function write(pieces: AsyncIterable<string>, to: Writable): Promise<void> {
  for await (const piece of pieces) if (!to.write(piece)) await once(to, 'drain');
}
