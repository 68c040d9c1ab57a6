import { toCharts } from './charts.js';
import { choice, h } from './elements.js';
import { formatCount, formatTime, formatUsd } from './format.js';
import { toMatrix } from './matrix.js';
import { createChoice, selectItems } from './select.js';
import { attachVerdicts, qualities } from './standing.js';
import { toSummary } from './summary.js';

const batch = JSON.parse(document.getElementById('batch').textContent);
const items = [...document.querySelectorAll('script.items')].flatMap((block) => JSON.parse(block.textContent));
const columns = batch.columns.map((column, index) => ({ ...column, colour: `c${index % 10}` }));
const answering = columns.filter((column) => column.judges === undefined);
const chosen = createChoice(answering);
attachVerdicts(items, columns);

const matrix = h('div', { class: 'card scroll answers', tabindex: 0, role: 'region', 'aria-label': 'Answers' });
const shown = h('p', { class: 'muted', role: 'status' });
const pages = [
  h('nav', { class: 'pages', 'aria-label': 'Pages' }),
  h('nav', { class: 'pages', 'aria-label': 'Pages, below' }),
];
const search = h('input', { type: 'search', placeholder: 'Words in prompts and answers', oninput: onSearch });
let found = items;

document.getElementById('page').replaceChildren(toHeader(), toOverview(), toTools(), shown, pages[0], matrix, pages[1]);
document.addEventListener('keydown', onKey);
select();

function toHeader() {
  const facts = [
    `${formatCount(batch.items)} items × ${formatCount(answering.length)} models`,
    `${formatCount(batch.counts.succeeded)} of ${formatCount(batch.total)} done`,
    `cost ${formatUsd(batch.cost_usd)}${batch.estimated_cost_usd === null ? '' : ` (estimated ${formatUsd(batch.estimated_cost_usd)})`}`,
    `begun ${formatTime(batch.created_at)}`,
    batch.ended_at === undefined ? '' : `ended ${formatTime(batch.ended_at)}`,
    batch.paused_because ?? '',
  ].filter((fact) => fact !== '');
  const schemes = { '': 'light dark', light: 'light', dark: 'dark' };
  const scheme = choice(
    'Colours',
    [
      ['', 'as the system'],
      ['light', 'light'],
      ['dark', 'dark'],
    ],
    '',
    (value) => (document.documentElement.style.colorScheme = schemes[value]),
  );
  return h(
    'header',
    {},
    h(
      'div',
      {},
      h('h1', {}, batch.name ?? batch.id, h('span', { class: `pill ${batch.status}` }, batch.status)),
      scheme,
    ),
    h('p', { class: 'muted' }, batch.name === undefined ? '' : `${batch.id} · `, facts.join(' · ')),
  );
}

function toOverview() {
  const measured = Object.keys(qualities).filter((key) =>
    answering.some(({ summary }) => qualities[key].of(summary) !== undefined),
  );
  const charts = h('div', { class: 'charts' }, toCharts(answering, measured[0]));
  const choose = choice(
    'Quality',
    measured.map((key) => [key, qualities[key].title]),
    measured[0],
    (key) => charts.replaceChildren(...toCharts(answering, key)),
  );
  return h('section', {}, h('h2', {}, 'Models'), toSummary(columns), measured.length > 1 && choose, charts);
}

function toTools() {
  const names = [...new Set(answering.flatMap(({ summary }) => Object.keys(summary.assertions)))];
  const set = (key) => (value) => select({ [key]: value });
  const statuses = [
    ['', 'any'],
    ['succeeded', 'succeeded'],
    ['failed', 'failed'],
    ['open', 'open'],
    ['cancelled', 'cancelled'],
  ];
  const orders = [
    ['item', 'as given'],
    ['failures', 'most failures'],
    ['cost', 'highest cost'],
    ['latency', 'slowest'],
  ];
  const models = answering.map((column) =>
    h(
      'label',
      { class: `chip ${column.colour}` },
      h('input', { type: 'checkbox', checked: true, onchange: (event) => toggle(column, event.target.checked) }),
      h('i', { class: 'swatch' }),
      column.label,
    ),
  );
  const different = h('input', { type: 'checkbox', onchange: () => select({ onlyDifferent: different.checked }) });
  return h(
    'form',
    {
      class: 'tools',
      role: 'search',
      'aria-label': 'Filters',
      onsubmit: (event) => event.preventDefault(),
      onreset: onReset,
    },
    h('h2', {}, 'Answers'),
    h('label', { class: 'field wide' }, h('span', {}, 'Search'), search),
    choice('Status', statuses, '', set('status')),
    names.length > 0 &&
      choice('Failed assertion', [['', '–'], ['*', 'any'], ...names.map((name) => [name, name])], '', set('assertion')),
    answering.length > 1 &&
      choice(
        'Compare with',
        [['', 'nothing'], ...answering.map(({ number, label }) => [String(number), label])],
        '',
        set('base'),
      ),
    choice('Order', orders, 'item', set('order')),
    answering.length > 1 && h('label', { class: 'chip' }, different, 'only where answers differ'),
    h('button', { type: 'reset' }, 'Clear'),
    answering.length > 1 && h('fieldset', {}, h('legend', {}, 'Models'), models),
  );
}

function toggle(column, isShown) {
  const numbers = new Set(chosen.columns);
  if (isShown) numbers.add(column.number);
  else numbers.delete(column.number);
  select({ columns: numbers });
}

/** The form has set its fields back by the next turn of the loop. */
function onReset() {
  Object.assign(chosen, createChoice(answering), { pageSize: chosen.pageSize });
  setTimeout(select);
}

function onSearch() {
  clearTimeout(onSearch.timer);
  onSearch.timer = setTimeout(() => select({ search: search.value }), 120);
}

function onKey(event) {
  const isTyping = event.target.closest('input, select, textarea') !== null;
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === '/') {
    event.preventDefault();
    search.focus();
  } else if (event.key === 'n') turn(chosen.page + 1);
  else if (event.key === 'p') turn(chosen.page - 1);
}

/** Finds the items anew and shows their first page. */
function select(changes = {}) {
  Object.assign(chosen, changes);
  found = selectItems(items, chosen);
  turn(0);
}

function turn(page) {
  const last = Math.max(0, Math.ceil(found.length / chosen.pageSize) - 1);
  chosen.page = Math.min(Math.max(0, page), last);
  const [start, end] = [chosen.page * chosen.pageSize, Math.min(found.length, (chosen.page + 1) * chosen.pageSize)];
  const visible = answering.filter((column) => chosen.columns.has(column.number));
  const base = chosen.base === '' ? undefined : Number(chosen.base);
  const rows = found.slice(start, end);
  matrix.replaceChildren(
    rows.length === 0 || visible.length === 0
      ? h('p', { class: 'empty' }, items.length === 0 ? 'There are no items yet.' : 'Nothing fits these filters.')
      : toMatrix(rows, visible, base),
  );
  matrix.scrollTop = 0;
  const all = found.length === items.length ? '' : ` that fit, of ${formatCount(items.length)}`;
  shown.textContent =
    found.length === 0
      ? `No item${all}`
      : `Items ${formatCount(start + 1)} to ${formatCount(end)} of ${formatCount(found.length)}${all}`;
  for (const nav of pages) nav.replaceChildren(...toPages(last));
}

function toPages(last) {
  if (last === 0 && chosen.pageSize === 25 && found.length <= 10) return [];
  const button = (text, label, page, disabled) =>
    h('button', { type: 'button', 'aria-label': label, disabled, onclick: () => turn(page) }, text);
  const sizes = [10, 25, 50, 100].map((size) => [String(size), String(size)]);
  return [
    button('«', 'First page', 0, chosen.page === 0),
    button('‹', 'Previous page', chosen.page - 1, chosen.page === 0),
    h('span', {}, `Page ${formatCount(chosen.page + 1)} of ${formatCount(last + 1)}`),
    button('›', 'Next page', chosen.page + 1, chosen.page === last),
    button('»', 'Last page', last, chosen.page === last),
    choice('Items on a page', sizes, String(chosen.pageSize), (size) => {
      chosen.pageSize = Number(size);
      turn(0);
    }),
  ];
}
