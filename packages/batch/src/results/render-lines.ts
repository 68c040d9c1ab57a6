import type { BatchView } from '@aimm/contracts';
import type { BatchResult } from './batch-result.ts';
import { toResultRecord } from './result-record.ts';

/** Records of all generations, an item's beside each other. */
async function* toRecords(view: BatchView, results: AsyncIterable<BatchResult>) {
  const columns = new Map(view.columns.map(({ column }) => [column.number, column]));
  for await (const result of results) {
    for (const generation of result.generations) {
      const column = columns.get(generation.column);
      if (column !== undefined) yield toResultRecord(result, column, generation);
    }
  }
}

/** One generation a line, see {@link toResultRecord}. */
export async function* renderJsonLines(view: BatchView, results: AsyncIterable<BatchResult>): AsyncGenerator<string> {
  for await (const record of toRecords(view, results)) yield `${JSON.stringify(record)}\n`;
}

const heading = [
  'item',
  'prompt',
  'system',
  'vars',
  'model',
  'variant',
  'lane',
  'column',
  'judges',
  'status',
  'text',
  'passed',
  'failed_assertions',
  'score',
  'winner',
  'judge_reason',
  'cost_usd',
  'input_tokens',
  'output_tokens',
  'latency_ms',
  'first_token_ms',
  'finish_reason',
  'error',
  'warnings',
  'job_id',
  'ended_at',
  'tool_calls',
  'number',
  'structured',
  'queue_ms',
] as const;
type Cells = Record<(typeof heading)[number], string | number | boolean | null | undefined>;

/** One generation a row, as RFC 4180 has it. Begins with a byte order mark: without it spreadsheets take it for Latin-1. */
export async function* renderCsv(view: BatchView, results: AsyncIterable<BatchResult>): AsyncGenerator<string> {
  yield `\uFEFF${heading.join(',')}\r\n`;
  for await (const record of toRecords(view, results)) {
    const cells: Cells = {
      item: record.item,
      prompt: record.prompt,
      system: record.system,
      vars: record.vars === undefined ? undefined : JSON.stringify(record.vars),
      model: record.model,
      variant: record.variant,
      lane: record.lane,
      column: record.column,
      judges: record.judges?.join(' '),
      status: record.status,
      text: record.text,
      passed: record.passed,
      failed_assertions: record.assertions
        ?.filter((outcome) => !outcome.passed)
        .map(({ name, reason }) => (reason === undefined ? name : `${name}: ${reason}`))
        .join('\n'),
      score: record.verdict?.score,
      winner: record.verdict?.winner,
      judge_reason: record.verdict?.reason,
      cost_usd: record.cost_usd,
      input_tokens: record.usage?.input_tokens,
      output_tokens: record.usage?.output_tokens,
      latency_ms: record.latency_ms,
      first_token_ms: record.first_token_ms,
      finish_reason: record.finish_reason,
      error: record.error === undefined ? undefined : `${record.error.code}: ${record.error.message}`,
      warnings: record.warnings?.join('\n'),
      job_id: record.job_id,
      ended_at: record.ended_at,
      number: record.number,
      structured: record.structured === undefined ? undefined : JSON.stringify(record.structured),
      queue_ms: record.queue_ms,
      tool_calls: record.tool_calls === undefined ? undefined : JSON.stringify(record.tool_calls),
    };
    yield `${heading.map((name) => toCell(cells[name])).join(',')}\r\n`;
  }
}

function toCell(value: Cells[keyof Cells]): string {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') return String(value);
  const safe = guardFormula(value);
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/**
 * Spreadsheets run a cell that begins with one of these, whoever wrote it; an apostrophe before it makes it text. It is put
 * before an apostrophe in that place, too, so that taking one away gives back what was there.
 */
function guardFormula(text: string): string {
  return /^'*[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text;
}
