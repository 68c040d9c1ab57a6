import type { ComparisonResult } from '@aimm/contracts';
import type { ProgressEvent } from '@aimm/manager';
import { formatDuration } from '@aimm/runtime/format';
import { colours } from '../colours.ts';
import { createLiveView, type Screen } from '../live-view.ts';
import { toTerminalText } from '../terminal-text.ts';
import { type Column, layOutColumns } from './columns.ts';
import type { ComparisonDisplay } from './comparison-display.ts';
import { formatSummary, nameOf, toFacts, toText } from './format-comparison.ts';

const style = { bold: colours.bold, dim: colours.dim };

/** A column for each model, redrawn in place as text comes and when the terminal is resized; at the end the whole of all. */
export function createLiveColumns(screen: Screen, judge: string | undefined): ComparisonDisplay {
  const columns = new Map<string, Column>();
  let finished = 0;
  const view = createLiveView(screen, ({ width, height }) => {
    const done = judge !== undefined && finished === columns.size ? [colours.dim(`${judge} ranks the answers`)] : [];
    const room = Math.max(2, height - done.length);
    return [...layOutColumns([...columns.values()], { width, height: room, ...style }), ...done];
  });
  const columnOf = (event: { provider: string; model: string }): Column => {
    const name = nameOf(event);
    const found = columns.get(name) ?? { title: name, status: 'waiting', text: '' };
    columns.set(name, found);
    return found;
  };
  return {
    streams: true,
    begin(models) {
      const texts = new Map(columns);
      columns.clear();
      for (const title of models) columns.set(title, texts.get(title) ?? { title, status: 'waiting', text: '' });
      view.draw();
    },
    onProgress(event) {
      if (update(event, columnOf)) view.drawSoon();
      if (event.type === 'model_finished') finished += 1;
    },
    end(comparison: ComparisonResult) {
      const whole = comparison.entries.map((entry) => ({
        title: nameOf(entry),
        status: entry.result === undefined ? 'failed' : toFacts(entry.result),
        text: toTerminalText(toText(entry)),
      }));
      const lines = layOutColumns(whole, { width: view.width(), ...style });
      view.end(`${[...lines, '', formatSummary(comparison)].join('\n')}\n`);
    },
    stop: () => view.end(),
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
    case 'judging':
    case 'batch':
      return false;
  }
}
