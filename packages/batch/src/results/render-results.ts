import type { BatchView } from '@aimm/contracts';
import { renderReport } from '../report/render-report.ts';
import type { BatchResult } from './batch-result.ts';
import { renderCsv, renderJsonLines } from './render-lines.ts';
import { renderMarkdown } from './render-markdown.ts';
import { renderTable } from './render-table.ts';

/** `table`: for a terminal. `html`: one file that opens from disk. */
export const resultsFormats = ['table', 'jsonl', 'csv', 'md', 'html'] as const;
export type ResultsFormat = (typeof resultsFormats)[number];

export interface RenderOptions {
  /** Of the terminal, in characters; for `table`. Default: 100. */
  width?: number | undefined;
  /** For `table`. Default: none. */
  colours?: boolean | undefined;
}

/**
 * What came of a batch, piece by piece as the results come: all pieces together are the document. It may still be running.
 *
 * @param results in the order in which items are to be shown
 */
export function renderResults(
  format: ResultsFormat,
  view: BatchView,
  results: AsyncIterable<BatchResult>,
  { width = 100, colours = false }: RenderOptions = {},
): AsyncGenerator<string> {
  switch (format) {
    case 'table':
      return renderTable(view, results, { width, colours });
    case 'jsonl':
      return renderJsonLines(view, results);
    case 'csv':
      return renderCsv(view, results);
    case 'md':
      return renderMarkdown(view, results);
    case 'html':
      return renderReport(view, results);
  }
}
