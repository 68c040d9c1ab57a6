import { once } from 'node:events';
import { writeWhole } from '../../backup-file.ts';
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
    if (out === undefined) return print(pieces);
    await writeWhole(out, pieces);
    process.stderr.write(`Wrote ${out}\n`);
  });
}

async function print(pieces: AsyncIterable<string>): Promise<void> {
  for await (const piece of pieces) if (!process.stdout.write(piece)) await once(process.stdout, 'drain');
}
