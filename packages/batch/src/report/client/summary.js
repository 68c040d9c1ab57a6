import { h } from './elements.js';
import { formatCount, formatMs, formatShare, formatUsd } from './format.js';
import { qualities, toMeanCost } from './standing.js';

const most = 'most';
const least = 'least';

/** What the table has columns of; those without any value are left out. `best`: which of the values is marked. */
function toMeasures(columns) {
  const names = [...new Set(columns.flatMap(({ summary }) => Object.keys(summary.assertions)))];
  const shareOf = (name) => (summary) => {
    const { passed, of } = summary.assertions[name] ?? { passed: 0, of: 0 };
    return of === 0 ? undefined : passed / of;
  };
  const count = (title, of) => {
    const isShown = columns.some(({ summary }) => of(summary) > 0);
    return { title, of: (summary) => (isShown ? of(summary) : undefined), format: formatCount };
  };
  const hasStanding = columns.some(({ summary }) => summary.wins + summary.losses + summary.ties > 0);
  const standing = (title, key, best) => ({
    title,
    best,
    format: formatCount,
    of: (summary) => (hasStanding ? summary[key] : undefined),
  });
  return [
    { title: 'Done', of: ({ counts }) => counts.succeeded, format: formatCount },
    count('Failed', ({ counts }) => counts.failed),
    count('Open', ({ counts }) => counts.waiting + counts.queued),
    count('Cancelled', ({ counts }) => counts.cancelled + counts.skipped),
    { title: 'Passed', of: qualities.passed.of, format: formatShare, best: most, bar: true },
    ...(names.length < 2 ? [] : names).map((name) => ({
      title: name,
      of: shareOf(name),
      format: formatShare,
      best: most,
    })),
    { title: 'Score', of: ({ score }) => score, format: (score) => score.toFixed(1), best: most },
    standing('Wins', 'wins', most),
    standing('Ties', 'ties'),
    standing('Losses', 'losses', least),
    { title: 'Cost', of: toKnownCost, format: formatUsd, best: least },
    { title: 'An answer', of: toMeanCost, format: formatUsd, best: least },
    { title: 'Tokens in', of: (summary) => summary.input_tokens, format: formatCount },
    { title: 'Tokens out', of: (summary) => summary.output_tokens, format: formatCount },
    { title: 'First text', of: (summary) => summary.first_token_p50_ms, format: formatMs, best: least },
    { title: 'p50', of: (summary) => summary.latency_p50_ms, format: formatMs, best: least },
    { title: 'p95', of: (summary) => summary.latency_p95_ms, format: formatMs, best: least },
  ].filter(({ of }) => columns.some(({ summary }) => of(summary) !== undefined));
}

function toKnownCost({ cost_usd: cost, unpriced, counts }) {
  return unpriced > 0 && unpriced >= counts.succeeded ? undefined : cost;
}

/** A row for each column, sorted by whichever heading was pressed; `columns` are those that answer, judges come below. */
export function toSummary(columns) {
  const answering = columns.filter((column) => column.judges === undefined);
  const judges = columns.filter((column) => column.judges !== undefined);
  const measures = toMeasures(answering);
  const body = h('tbody');
  let sorted = { by: undefined, down: true };
  const heading = [{ title: 'Model' }, ...measures].map((measure) => {
    const button = h('button', { type: 'button', onclick: () => sortBy(measure) }, measure.title);
    return h('th', { scope: 'col', 'aria-sort': 'none' }, button);
  });
  function sortBy(measure) {
    sorted = {
      by: measure,
      down: sorted.by === measure ? !sorted.down : measure.best !== least && measure.of !== undefined,
    };
    render();
  }
  function render() {
    const { by, down } = sorted;
    const rows = answering.toSorted((a, b) => (by === undefined ? a.number - b.number : compare(a, b, by, down)));
    body.replaceChildren(...rows.map((column) => toRow(column, measures, answering)));
    for (const [index, cell] of heading.entries()) {
      const isBy = by !== undefined && (index === 0 ? by.of === undefined : measures[index - 1] === by);
      cell.setAttribute('aria-sort', isBy ? (down ? 'descending' : 'ascending') : 'none');
    }
  }
  render();
  return h(
    'div',
    { class: 'card scroll', tabindex: 0, role: 'region', 'aria-label': 'Summary of the models' },
    h('table', { class: 'summary' }, h('thead', {}, h('tr', {}, heading)), body),
    h('div', { class: 'notes' }, toErrors(answering), toJudges(judges)),
  );
}

/** Unknown comes last, whichever way. */
function compare(a, b, { of }, down) {
  if (of === undefined) return a.label.localeCompare(b.label) * (down ? -1 : 1);
  const [left, right] = [of(a.summary), of(b.summary)];
  if (left === undefined || right === undefined) return (left === undefined) - (right === undefined);
  return (left - right) * (down ? -1 : 1);
}

function toRow(column, measures, all) {
  const cells = measures.map(({ of, format, best, bar }) => {
    const value = of(column.summary);
    if (value === undefined) return h('td', { class: 'muted' }, '–');
    const values = all.map((each) => of(each.summary)).filter((each) => each !== undefined);
    const leader = best === most ? Math.max(...values) : Math.min(...values);
    const isBest = best !== undefined && value === leader && values.some((each) => each !== leader);
    const line = bar && h('meter', { min: 0, max: 1, value, 'aria-hidden': 'true' });
    return h('td', { class: isBest && 'best', title: isBest && 'the best of these' }, format(value), line);
  });
  const name = h('th', { scope: 'row', class: column.colour }, h('i', { class: 'swatch' }), column.label);
  return h('tr', {}, name, cells);
}

function toErrors(columns) {
  const failing = columns.filter(({ summary }) => Object.keys(summary.errors).length > 0);
  if (failing.length === 0) return undefined;
  const says = ({ label, summary }) => {
    const codes = Object.entries(summary.errors).toSorted(([, a], [, b]) => b - a);
    return h('li', {}, `${label}: ${codes.map(([code, count]) => `${code} ${formatCount(count)}`).join(', ')}`);
  };
  return h('div', {}, h('h3', {}, 'Failures'), h('ul', {}, failing.map(says)));
}

/** By model: a judge that compares five models has twenty columns. */
function toJudges(judges) {
  if (judges.length === 0) return undefined;
  const says = ([model, own]) => {
    const sum = (of) => own.reduce((total, { summary }) => total + of(summary), 0);
    const failed = sum(({ counts }) => counts.failed);
    const unpriced = sum((summary) => summary.unpriced);
    const facts = [
      `${formatCount(sum(({ counts }) => counts.succeeded))} verdicts`,
      failed > 0 ? `${formatCount(failed)} failed` : '',
      `cost ${formatUsd(sum((summary) => summary.cost_usd))}`,
      unpriced > 0 ? `${formatCount(unpriced)} without a known price` : '',
    ].filter((fact) => fact !== '');
    return h('li', {}, `${model}: ${facts.join(', ')}`);
  };
  const byModel = Object.entries(Object.groupBy(judges, ({ provider, model }) => `${provider}/${model}`));
  return h('div', {}, h('h3', {}, 'Judged by'), h('ul', {}, byModel.map(says)));
}
