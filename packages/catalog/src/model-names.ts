/**
 * The id without what marks a snapshot of the same model: a date (`-2026-03-05`, `-20251001`), Ollama's implied tag.
 * `-latest` stays: what it points at moves.
 */
export function toFamilyId(id: string, kind: string): string {
  if (kind === 'ollama') return id.replace(/:latest$/, '');
  return id.replace(/-(\d{4}-\d{2}-\d{2}|20\d{6})$/, '');
}

/** The id under which the catalog and what its provider lists mean the same model: Ollama lists the tag that it implies. */
export function toListedId(id: string, kind: string): string {
  return kind === 'ollama' ? toFamilyId(id, kind) : id;
}
