import type { BatchView } from '@aimm/contracts';
import {
  type BatchResult,
  hasPassed,
  toAnswerText,
  toColumnLabel,
  toDemoNote,
  toPromptText,
  toVerdictTexts,
} from './batch-result.ts';
import { formatCost, formatCount, formatDuration, formatPlural } from '@aimm/runtime/format';
import { toSummaryTable } from './summary-cells.ts';

/** Shown at once, and at most; a table with longer cells cannot be read. */
const [shownLength, maxLength] = [240, 4_000];

/** A summary of the columns, then every item with its answers side by side. */
export async function* renderMarkdown(view: BatchView, results: AsyncIterable<BatchResult>): AsyncGenerator<string> {
  const { heading, rows } = toSummaryTable(view);
  const columns = view.columns.map(({ column }) => column);
  const asked = columns.filter((column) => column.judges === undefined);
  yield `# ${escapeText(view.name ?? view.batchId)}\n\n`;
  yield `${view.batchId} · ${view.status} · ${formatPlural(view.items, 'item')} · ${formatPlural(view.total, 'generation')} · ${formatCost(view.costNanoUsd)}${toDemoNote(view)}\n\n`;
  yield toLine(heading.map(escapeText)) + toLine(heading.map((_, index) => (index === 0 ? '---' : '---:')));
  yield rows.map((row) => toLine(row.map(escapeText))).join('');
  yield `\n## Answers\n\nLong answers unfold; of those over ${formatCount(maxLength)} characters the rest is left out here, and is in the other formats.\n\n`;
  yield toLine(['item', 'prompt', ...asked.map((column) => escapeText(toColumnLabel(column, columns)))]);
  yield toLine(Array.from({ length: asked.length + 2 }, () => '---'));
  for await (const result of results) {
    const answers = asked.map((column) => {
      const found = result.generations.find((generation) => generation.column === column.number);
      if (found === undefined) return '';
      const passed = hasPassed(found);
      const mark = found.status === 'failed' ? '⚠ ' : passed === undefined ? '' : passed ? '✓ ' : '✗ ';
      const failed = (found.assertions ?? []).filter((outcome) => !outcome.passed).map(({ name }) => name);
      const facts = [
        ...toVerdictTexts(result, found, columns).map(escapeText),
        ...(failed.length > 0 ? [`failed: ${failed.map(escapeText).join(', ')}`] : []),
        ...(found.costNanoUsd === undefined ? [] : [escapeText(formatCost(found.costNanoUsd))]),
        ...(found.providerMs === undefined ? [] : [formatDuration(found.providerMs)]),
      ];
      const small = facts.length === 0 ? '' : `<br><sub>${facts.join(' · ')}</sub>`;
      return `${mark}${fold(toAnswerText(found))}${small}`;
    });
    yield toLine([escapeText(result.item.id), fold(toPromptText(result.item)), ...answers]);
  }
}

function toLine(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |\n`;
}

function fold(text: string): string {
  const points = Array.from(text.trim().replaceAll(/\r\n?/g, '\n'));
  if (points.length <= shownLength) return escapeText(points.join(''));
  const [head, rest] = [points.slice(0, shownLength), points.slice(shownLength, maxLength)];
  const leftOut = points.length - maxLength;
  const note = leftOut > 0 ? `<br>(${formatCount(leftOut)} characters left out)` : '';
  return `<details><summary>${escapeText(head.join(''))}…</summary>${escapeText(rest.join(''))}${note}</details>`;
}

/** Text that shows as it is in the cell of a table. */
function escapeText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll(/[\\`*_[\]~|$#]/g, '\\$&')
    .replaceAll(/\r\n|\r|\n/g, '<br>');
}
