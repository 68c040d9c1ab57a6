import type {
  BatchColumn,
  BatchColumnSummary,
  BatchGeneration,
  BatchItem,
  BatchView,
  Message,
  ToolCallPart,
} from '@aimm/contracts';
import { formatCost, formatCount } from '@aimm/runtime/format';

/** An item with what came of it, in the order of the columns; a column may be missing. */
export interface BatchResult {
  item: BatchItem;
  generations: readonly BatchGeneration[];
}

/** What a column is called: `provider/model`, its variant, and what a judge's reads. */
export function toColumnLabel(column: BatchColumn, columns: readonly BatchColumn[]): string {
  const name = (each: BatchColumn) =>
    `${each.provider}/${each.model}${each.variant === undefined ? '' : ` (${each.variant})`}`;
  const asked = columns.filter((each) => each.judges === undefined);
  if (column.judges === undefined) {
    const same = asked.filter((each) => name(each) === name(column));
    if (same.length < 2) return name(column);
    const lanes = new Set(same.map((each) => each.lane));
    if (lanes.size === same.length) return column.lane === 'queue' ? name(column) : `${name(column)} [batch]`;
    return `${name(column)} #${column.number}`;
  }
  const judged = column.judges.map((number) => {
    const found = asked.find((each) => each.number === number);
    return found === undefined ? `#${number}` : toColumnLabel(found, columns);
  });
  return `${name(column)} on ${judged.join(' against ')}`;
}

/** `$0.12`, and `+3 unknown` where some have no known price; `unknown` where nothing else cost anything. */
export function formatColumnCost({
  costNanoUsd,
  unpriced,
}: Pick<BatchColumnSummary, 'costNanoUsd' | 'unpriced'>): string {
  if (unpriced === 0) return formatCost(costNanoUsd);
  return costNanoUsd === 0 ? formatCost(null) : `${formatCost(costNanoUsd)} +${formatCount(unpriced)} unknown`;
}

/** Behind what was spent, where answers may be made up; else nothing. */
export function toDemoNote({ demo }: Pick<BatchView, 'demo'>): string {
  return demo === true ? ' (demo answers cost nothing)' : '';
}

/** The text of one turn; what is no text as a word in brackets. */
function toText({ content }: Message): string {
  return content
    .map((part) => {
      switch (part.type) {
        case 'text':
        case 'reasoning':
          return part.text;
        case 'image':
          return '[image]';
        case 'file':
          return `[file ${part.filename ?? part.mediaType}]`;
        case 'tool_call':
          return toCallText(part);
        case 'tool_result':
          return `[tool result ${part.content}]`;
      }
    })
    .join('\n');
}

function toCallText({ name, arguments: given }: ToolCallPart): string {
  return `[tool call ${name} ${JSON.stringify(given)}]`;
}

/** What was asked, for people: the last turn where there is no other, else every turn under its role. */
export function toPromptText({ messages }: BatchItem): string {
  const turns = messages.filter((message) => message.role !== 'system');
  const [only] = turns;
  if (turns.length === 1 && only !== undefined) return toText(only);
  return turns.map((turn) => `${turn.role}: ${toText(turn)}`).join('\n\n');
}

/** The system instructions; undefined where there are none. */
export function toSystemText({ messages }: BatchItem): string | undefined {
  const texts = messages.filter((message) => message.role === 'system').map(toText);
  return texts.length === 0 ? undefined : texts.join('\n\n');
}

/** Whether all assertions passed; undefined where there are none. */
export function hasPassed({ assertions = [] }: BatchGeneration): boolean | undefined {
  return assertions.length === 0 ? undefined : assertions.every((outcome) => outcome.passed);
}

/** What stands where an answer would: the answer, or why there is none. */
export function toAnswerText({ status, text = '', toolCalls = [], error }: BatchGeneration): string {
  if (status === 'succeeded') return [text, ...toolCalls.map(toCallText)].filter((part) => part !== '').join('\n');
  return error === undefined ? status : `${error.code}: ${error.message}`;
}

/** What judges said of one answer to an item: `7 of 10`, `better than openai/gpt-5-mini`. */
export function toVerdictTexts(
  { generations }: BatchResult,
  answer: BatchGeneration,
  columns: readonly BatchColumn[],
): string[] {
  return columns.flatMap((column) => {
    const { judges } = column;
    const verdict = generations.find((generation) => generation.column === column.number)?.verdict;
    if (verdict === undefined || judges === undefined || !judges.includes(answer.column)) return [];
    if (verdict.score !== undefined) return [`${verdict.score} of 10`];
    const place = judges.indexOf(answer.column);
    const other = columns.find(({ number }) => number === judges[1 - place]);
    const word =
      verdict.winner === 'tie'
        ? 'level with'
        : (verdict.winner === 'first') === (place === 0)
          ? 'better than'
          : 'worse than';
    return other === undefined ? [] : [`${word} ${toColumnLabel(other, columns)}`];
  });
}
