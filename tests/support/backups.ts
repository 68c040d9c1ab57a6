import { exportDatabase, importDatabase, type ImportSummary } from '@aimm/database';

/** A whole backup as text. */
export async function readBackup(url: string): Promise<string> {
  const pieces: string[] = [];
  for await (const piece of exportDatabase({ url })) pieces.push(piece);
  return pieces.join('');
}

/** Imports text: as from stdin, or as from a file, which can be read twice. */
export async function writeBackup(
  url: string,
  text: string | Buffer,
  { merges = false, isRepeatable = true }: { merges?: boolean; isRepeatable?: boolean } = {},
): Promise<ImportSummary> {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  const open = async function* () {
    // Pieces that end anywhere, also within a character.
    for (let at = 0; at < bytes.length; at += 1_009) yield bytes.subarray(at, at + 1_009);
  };
  return importDatabase({ url, source: { open, isRepeatable }, merges });
}
