import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { BatchColumnSummary, BatchView } from '@aimm/contracts';
import { type BatchResult, toColumnLabel } from '../results/batch-result.ts';
import { toResultItem } from './result-item.ts';

const itemsInBlock = 100;

/** In the order in which they need each other; the last begins. */
const modules = ['elements', 'format', 'difference', 'standing', 'charts', 'summary', 'select', 'matrix', 'main'];
const client = new URL('client/', import.meta.url);

/**
 * The report as one page without any other file: it opens from disk, asks no network (its policy forbids it), and whatever
 * answers hold stays text. The data stands in it as JSON, the items in blocks of 100.
 */
export async function* renderReport(view: BatchView, results: AsyncIterable<BatchResult>): AsyncGenerator<string> {
  const style = await readFile(new URL('style.css', client), 'utf8');
  const script = await readScript();
  yield toHead(view.name ?? view.batchId, style, script);
  yield `<script type="application/json" id="batch">${toSafeJson(toBatchData(view))}</script>\n`;
  let block: string[] = [];
  for await (const result of results) {
    block.push(toSafeJson(toResultItem(result)));
    if (block.length < itemsInBlock) continue;
    yield toBlock(block);
    block = [];
  }
  if (block.length > 0) yield toBlock(block);
  yield `<script type="module">${script}</script>\n</body>\n</html>\n`;
}

/** The modules in one script, each in a scope of its own: a page from disk may load none. */
async function readScript(): Promise<string> {
  const scopes = await Promise.all(
    modules.map(async (name) => {
      const source = await readFile(new URL(`${name}.js`, client), 'utf8');
      const exported = [...source.matchAll(/^export (?:const|function) (\w+)/gm)].map((match) => match[1]);
      const body = source
        .replaceAll(/^import (\{[^}]+\}) from '\.\/(\w+)\.js';$/gm, 'const $1 = $$$2;')
        .replaceAll(/^export /gm, '');
      return `const $${name} = (() => {\n${body}\nreturn { ${exported.join(', ')} };\n})();\n`;
    }),
  );
  return scopes.join('');
}

/** Text of a script element ends at the first `</script`, whatever it stands in. */
function toSafeJson(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', String.raw`\u003c`);
}

function toBlock(items: readonly string[]): string {
  return `<script type="application/json" class="items">[${items.join(',\n')}]</script>\n`;
}

function toBatchData(view: BatchView) {
  const columns = view.columns.map(({ column }) => column);
  return {
    id: view.batchId,
    name: view.name,
    status: view.status,
    paused_because: view.pausedBecause,
    items: view.items,
    total: view.total,
    counts: view.counts,
    cost_usd: view.costNanoUsd / 1e9,
    estimated_cost_usd: view.estimatedCostNanoUsd === null ? null : view.estimatedCostNanoUsd / 1e9,
    created_at: new Date(view.createdAt).toISOString(),
    ...(view.endedAt !== undefined && { ended_at: new Date(view.endedAt).toISOString() }),
    columns: view.columns.map(({ column, ...summary }) => ({
      ...column,
      label: toColumnLabel(column, columns),
      summary: toSummaryData(summary),
    })),
  };
}

function toSummaryData(summary: Omit<BatchColumnSummary, 'column'>) {
  return {
    counts: summary.counts,
    passed: summary.passed,
    asserted: summary.asserted,
    assertions: summary.assertions,
    wins: summary.wins,
    losses: summary.losses,
    ties: summary.ties,
    score: summary.score,
    cost_usd: summary.costNanoUsd / 1e9,
    unpriced: summary.unpriced,
    input_tokens: summary.inputTokens,
    output_tokens: summary.outputTokens,
    latency_p50_ms: summary.latencyP50Ms,
    latency_p95_ms: summary.latencyP95Ms,
    first_token_p50_ms: summary.firstTokenP50Ms,
    errors: summary.errors,
  };
}

function toHead(title: string, style: string, script: string): string {
  const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  const policy = `default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}; img-src data:; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<main id="page"><noscript>This report shows its data with a script of its own. Allow it, or take the formats md or csv.</noscript></main>
`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
