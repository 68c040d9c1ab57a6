import { styleText } from 'node:util';
import type { BatchGeneration, BatchView } from '@aimm/contracts';
import stringWidth from 'string-width';
import {
  type BatchResult,
  hasPassed,
  toAnswerText,
  toColumnLabel,
  toDemoNote,
  toPromptText,
  toVerdictTexts,
} from './batch-result.ts';
import { formatCost, formatPlural } from '@aimm/runtime/format';
import { toSummaryTable } from './summary-cells.ts';
import { cutToWidth, padToWidth, toPlainText, wrapToWidth } from './terminal-text.ts';

export interface TableOptions {
  /** Cells of the terminal in a line. */
  width: number;
  colours: boolean;
}

const [idWidth, minWidth, maxLines, gap] = [8, 20, 4, 2];

/** For a terminal: the items with their answers side by side, or below each other where that is too narrow; the summary last. */
export async function* renderTable(
  view: BatchView,
  results: AsyncIterable<BatchResult>,
  { width, colours }: TableOptions,
): AsyncGenerator<string> {
  const paint = (style: 'bold' | 'dim' | 'green' | 'red', text: string) =>
    colours ? styleText(style, text, { validateStream: false }) : text;
  const all = view.columns.map(({ column }) => column);
  const columns = all.filter((column) => column.judges === undefined);
  const labels = columns.map((column) => toPlainText(toColumnLabel(column, all)));
  const each = Math.floor((width - idWidth - gap * (columns.length + 1)) / (columns.length + 1));
  const sideBySide = each >= minWidth;
  const toMark = (generation: BatchGeneration) => {
    const passed = hasPassed(generation);
    if (generation.status === 'failed') return paint('red', '!');
    if (generation.status !== 'succeeded') return paint('dim', '·');
    return passed === undefined ? ' ' : passed ? paint('green', '✓') : paint('red', '✗');
  };
  if (sideBySide) {
    const cells = ['item', 'prompt', ...labels].map((cell, index) =>
      padToWidth(cutToWidth(cell, index === 0 ? idWidth : each), index === 0 ? idWidth : each),
    );
    yield `${paint('bold', cells.join('  ').trimEnd())}\n`;
  }
  for await (const result of results) {
    const { item, generations } = result;
    const toCell = (generation: BatchGeneration) =>
      [...toVerdictTexts(result, generation, all).map((text) => `[${text}]`), toAnswerText(generation)].join(' ');
    const found = columns.map((column) => generations.find((generation) => generation.column === column.number));
    const id = cutToWidth(toPlainText(item.id), idWidth);
    if (sideBySide) {
      const blocks = [
        [id],
        wrapToWidth(toPromptText(item), each, maxLines),
        ...found.map((generation) =>
          generation === undefined ? [] : wrapToWidth(toCell(generation), each - 2, maxLines),
        ),
      ];
      const height = Math.max(...blocks.map((lines) => lines.length));
      for (let line = 0; line < height; line += 1) {
        const cells = blocks.map((lines, index) => {
          const generation = found[index - 2];
          const mark = index < 2 ? '' : line === 0 && generation !== undefined ? `${toMark(generation)} ` : '  ';
          return mark + padToWidth(lines[line] ?? '', index === 0 ? idWidth : index === 1 ? each : each - 2);
        });
        yield `${cells.join('  ').trimEnd()}\n`;
      }
    } else {
      yield `${paint('bold', id)}  ${cutToWidth(wrapToWidth(toPromptText(item), width, 1)[0] ?? '', width - stringWidth(id) - 2)}\n`;
      for (const [index, generation] of found.entries()) {
        if (generation === undefined) continue;
        yield `${toMark(generation)} ${paint('dim', cutToWidth(labels[index] ?? '', width - 2))}\n`;
        for (const line of wrapToWidth(toCell(generation), width - 4, maxLines)) yield `    ${line}\n`;
      }
    }
  }
  yield `\n${renderSummary(view, width, (text) => paint('bold', text)).join('\n')}\n`;
  const facts = `${view.batchId} · ${view.status} · ${formatPlural(view.items, 'item')} · ${formatCost(view.costNanoUsd)}${toDemoNote(view)}`;
  for (const line of wrapToWidth(facts, width, 4)) yield `${paint('dim', line)}\n`;
}

/** Columns aligned; where the terminal is too narrow, a block for each model. */
function renderSummary(view: BatchView, width: number, bold: (text: string) => string): string[] {
  const { heading, rows } = toSummaryTable(view);
  const plain = rows.map((row) => row.map(toPlainText));
  const widths = heading.map((title, index) =>
    Math.max(stringWidth(title), ...plain.map((row) => stringWidth(row[index] ?? ''))),
  );
  if (widths.reduce((sum, each) => sum + each + gap, -gap) > width)
    return plain.flatMap(([model = '', ...cells]) => [
      bold(cutToWidth(model, width)),
      ...wrapToWidth(
        cells.flatMap((cell, index) => (cell === '–' ? [] : [`${heading[index + 1]} ${cell}`])).join(' · '),
        width - 2,
        6,
      ).map((line) => `  ${line}`),
    ]);
  const toLine = (cells: readonly string[]) =>
    cells
      .map((cell, index) => padToWidth(cell, widths[index] ?? 0, index === 0 ? 'left' : 'right'))
      .join('  ')
      .trimEnd();
  return [bold(toLine(heading)), ...plain.map(toLine)];
}
