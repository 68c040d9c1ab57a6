import type { ComparisonResult } from '@aimm/contracts';
import type { ProgressEvent } from '@aimm/manager';
import stringWidth from 'string-width';
import { colours } from '../colours.ts';
import { formatDuration } from '../output.ts';
import { toTerminalText } from '../terminal-text.ts';
import { type Column, layOutColumns } from './columns.ts';
import type { ComparisonDisplay } from './comparison-display.ts';
import { formatSummary, nameOf, toFacts, toText } from './format-comparison.ts';

/** Of a terminal, what is needed to draw on it. */
export interface Screen {
  write(text: string): unknown;
  columns?: number;
  rows?: number;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

/** Text comes in pieces of a few letters: they are drawn together. */
const drawEveryMs = 60;
const style = { bold: colours.bold, dim: colours.dim };

/** A column for each model, redrawn in place as text comes and when the terminal is resized; at the end the whole of all. */
export function createLiveColumns(screen: Screen, judge: string | undefined): ComparisonDisplay {
  const columns = new Map<string, Column>();
  let drawn: string[] = [];
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;

  const width = () => Math.max(1, (screen.columns ?? 80) - 1);
  /** To the first line of what stands there, which a resize may have broken into more lines. */
  const erase = () => {
    const lines = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(stringWidth(line) / (width() + 1))), 0);
    drawn = [];
    return lines === 0 ? '' : `\u001b[${lines}A\r\u001b[J`;
  };
  const draw = () => {
    clearTimeout(timer);
    timer = undefined;
    if (isOver) return;
    const before = erase();
    const done = judge !== undefined && finished === columns.size ? [colours.dim(`${judge} ranks the answers`)] : [];
    const height = Math.max(2, (screen.rows ?? 24) - 1 - done.length);
    drawn = [...layOutColumns([...columns.values()], { width: width(), height, ...style }), ...done];
    screen.write(before + drawn.map((line) => `${line}\n`).join(''));
  };
  const drawSoon = () => {
    if (!isOver) timer ??= setTimeout(draw, drawEveryMs);
  };
  const columnOf = (event: { provider: string; model: string }): Column => {
    const name = nameOf(event);
    const found = columns.get(name) ?? { title: name, status: 'waiting', text: '' };
    columns.set(name, found);
    return found;
  };
  const stop = () => {
    isOver = true;
    clearTimeout(timer);
    screen.off('resize', draw);
  };
  let finished = 0;
  screen.on('resize', draw);

  return {
    streams: true,
    begin(models) {
      const texts = new Map(columns);
      columns.clear();
      for (const title of models) columns.set(title, texts.get(title) ?? { title, status: 'waiting', text: '' });
      draw();
    },
    onProgress(event) {
      if (update(event, columnOf)) drawSoon();
      if (event.type === 'model_finished') finished += 1;
    },
    end(comparison: ComparisonResult) {
      const before = erase();
      stop();
      const whole = comparison.entries.map((entry) => ({
        title: nameOf(entry),
        status: entry.result === undefined ? 'failed' : toFacts(entry.result),
        text: toTerminalText(toText(entry)),
      }));
      const lines = layOutColumns(whole, { width: width(), ...style });
      screen.write(`${before}${[...lines, '', formatSummary(comparison)].join('\n')}\n`);
    },
    stop,
  };
}

/** Takes an event into its column; false where it shows nothing. */
function update(event: ProgressEvent, columnOf: (event: { provider: string; model: string }) => Column): boolean {
  switch (event.type) {
    case 'text':
    case 'reset': {
      const { provider, model } = event;
      if (provider === undefined || model === undefined) return false;
      const column = columnOf({ provider, model });
      if (event.type === 'text') {
        column.text += toTerminalText(event.text);
        column.status = 'writing';
      } else {
        column.text = '';
        column.status = 'asking again';
      }
      return true;
    }
    case 'queued':
      columnOf(event).status = event.ahead > 0 ? `waiting, ${event.ahead} ahead` : 'waiting';
      return true;
    case 'started':
      columnOf(event).status = 'asked';
      return true;
    case 'model_finished': {
      const column = columnOf(event);
      column.text = toTerminalText(toText(event));
      column.status = event.result === undefined ? 'failed' : toFacts(event.result);
      return true;
    }
    case 'waiting': {
      const { provider, model } = event;
      if (provider === undefined || model === undefined) return false;
      const wait = formatDuration(Math.max(0, event.untilMs - Date.now()));
      columnOf({ provider, model }).status = `${event.reason.message} Waiting ${wait}.`;
      return true;
    }
    case 'reasoning':
    case 'batch':
      return false;
  }
}
