import { toDifference } from './difference.js';
import { h } from './elements.js';
import { formatCount, formatMs, formatUsd } from './format.js';

/** Longer texts are folded until somebody unfolds them. */
const [foldedLength, foldedLines] = [600, 12];

/** Items below each other, columns beside each other. `base`: the column whose answers the others are compared with. */
export function toMatrix(items, columns, base) {
  comparisons = [];
  const heading = columns.map((column) =>
    h(
      'th',
      { scope: 'col', class: column.colour },
      h('i', { class: 'swatch' }),
      column.label,
      column.number === base && h('span', { class: 'pill' }, 'base'),
    ),
  );
  const rows = items.map((item) => {
    const byColumn = new Map(item.answers.map((answer) => [answer.column, answer]));
    const baseText = base === undefined ? undefined : byColumn.get(base)?.text;
    const cells = columns.map((column) => {
      const compareWith = column.number === base ? undefined : baseText;
      return h(
        'td',
        { 'data-label': column.label, class: column.colour },
        toAnswer(byColumn.get(column.number), compareWith),
      );
    });
    return h('tr', {}, toQuestion(item), cells);
  });
  setTimeout(compareInTurn, 0, comparisons);
  return h(
    'table',
    { class: 'matrix' },
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Item'), heading)),
    h('tbody', {}, rows),
  );
}

function toQuestion({ item, prompt, system, vars }) {
  const entries = Object.entries(vars ?? {});
  return h(
    'th',
    { scope: 'row' },
    h('div', { class: 'id' }, item),
    toFolding(prompt, [prompt], 'prompt'),
    system !== undefined && h('details', {}, h('summary', {}, 'System'), h('div', { class: 'text' }, system)),
    entries.length > 0 &&
      h(
        'dl',
        {},
        entries.map(([name, value]) =>
          h('div', {}, h('dt', {}, name), h('dd', {}, typeof value === 'string' ? value : JSON.stringify(value))),
        ),
      ),
  );
}

function toAnswer(answer, base) {
  if (answer === undefined) return [];
  return [toBody(answer, base), toOutcomes(answer), toVerdicts(answer), toFacts(answer)];
}

function toBody({ status, text, error, tool_calls: calls }, base) {
  if (status === 'failed')
    return h(
      'div',
      { class: 'failure' },
      h('strong', {}, error?.code ?? 'failed'),
      h('div', {}, error?.message),
      error?.hint !== undefined && h('div', { class: 'muted' }, error.hint),
    );
  if (status !== 'succeeded') return h('div', { class: 'muted' }, status);
  if (calls !== undefined) return [text ? toFolding(text, [text], 'text') : undefined, ...calls.map(toCall)];
  if ((text ?? '') === '') return h('div', { class: 'muted' }, '(no text)');
  return toFolding(text, base === undefined || base === text ? [text] : [toComparison(text, base)], 'text');
}

function toCall({ name, arguments: given }) {
  const text = `${name}(${JSON.stringify(given)})`;
  return toFolding(text, [text], 'text');
}

/** The answer as it is at first, and what differs in it marked once there is time: pages of long answers take seconds. */
function toComparison(text, base) {
  const whole = h('span', {}, text);
  comparisons.push(() => {
    const runs = toDifference(base, text);
    if (runs === undefined) return whole.append(h('em', { class: 'muted' }, ' (too long to be compared)'));
    const tags = { added: 'ins', removed: 'del' };
    whole.replaceChildren(...runs.map((run) => (run.kind === 'same' ? run.text : h(tags[run.kind], {}, run.text))));
  });
  return whole;
}

/** What is left of the page that is shown. */
let comparisons = [];

function compareInTurn(own) {
  const until = performance.now() + 12;
  while (own === comparisons && own.length > 0 && performance.now() < until) own.shift()();
  if (own === comparisons && own.length > 0) setTimeout(compareInTurn, 0, own);
}

/** `text` decides how long it is; `children` are shown. */
function toFolding(text, children, kind) {
  const body = h('div', { class: kind, dir: 'auto' }, children);
  if (text.length <= foldedLength && text.split('\n', foldedLines + 1).length <= foldedLines) return body;
  body.classList.add('folded');
  const more = `Show all ${formatCount(text.length)} characters`;
  const button = h('button', { type: 'button', class: 'link', 'aria-expanded': 'false' }, more);
  button.addEventListener('click', () => {
    const folded = body.classList.toggle('folded');
    button.textContent = folded ? more : 'Show less';
    button.setAttribute('aria-expanded', String(!folded));
  });
  return [body, button];
}

function toOutcomes({ assertions }) {
  if (assertions === undefined) return undefined;
  return h(
    'ul',
    { class: 'outcomes' },
    assertions.map(({ name, passed, score, reason }) =>
      h(
        'li',
        { class: passed ? 'good' : 'bad' },
        h('span', { 'aria-label': passed ? 'passed' : 'failed' }, passed ? '✓' : '✗'),
        ` ${name}${score === undefined ? '' : ` ${score.toFixed(2)}`}`,
        reason !== undefined && h('span', { class: 'reason' }, ` ${reason}`),
      ),
    ),
  );
}

function toVerdicts({ verdicts }) {
  if (verdicts === undefined) return undefined;
  return h(
    'ul',
    { class: 'outcomes' },
    verdicts.map(({ by, text, tone, reason }) =>
      h(
        'li',
        { class: tone },
        reason === undefined
          ? `${text} (${by})`
          : h('details', {}, h('summary', {}, `${text} (${by})`), h('span', { class: 'reason' }, reason)),
      ),
    ),
  );
}

const endings = { length: 'cut off at its longest', content_filter: 'cut off by the content filter' };

function toFacts({ cost_usd: cost, latency_ms: latency, usage, finish_reason: finish, warnings = [] }) {
  const facts = [
    cost === undefined ? '' : cost === null ? 'price unknown' : formatUsd(cost),
    latency === undefined ? '' : formatMs(latency),
    usage?.output_tokens === undefined ? '' : `${formatCount(usage.output_tokens)} tokens`,
    endings[finish] ?? '',
  ].filter((fact) => fact !== '');
  return [
    facts.length > 0 && h('div', { class: 'facts' }, facts.join(' · ')),
    ...warnings.map((warning) => h('div', { class: 'facts' }, `⚠ ${warning}`)),
  ];
}
