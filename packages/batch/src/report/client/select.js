/** What is shown of the items. `columns`: the numbers of those that are shown. */
export function createChoice(columns) {
  return {
    search: '',
    status: '',
    assertion: '',
    order: 'item',
    onlyDifferent: false,
    columns: new Set(columns.map((column) => column.number)),
    base: '',
    page: 0,
    pageSize: 25,
  };
}

const isOpen = (status) => status === 'waiting' || status === 'queued';

const failsOf = (answer) => (answer.assertions ?? []).filter((outcome) => !outcome.passed);

const orders = {
  failures: (answers) =>
    answers.reduce((sum, answer) => sum + failsOf(answer).length + (answer.status === 'failed' ? 1 : 0), 0),
  cost: (answers) => answers.reduce((sum, answer) => sum + (answer.cost_usd ?? 0), 0),
  latency: (answers) => Math.max(0, ...answers.map((answer) => answer.latency_ms ?? 0)),
};

/** The items that fit, in the order that is wanted. What is asked of answers is asked of those in columns that are shown. */
export function selectItems(items, choice) {
  const words = choice.search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const fitting = items.filter((item) => {
    const answers = shownOf(item, choice);
    return (
      (choice.status === '' || answers.some((answer) => hasStatus(answer, choice.status))) &&
      (choice.assertion === '' || answers.some((answer) => fails(answer, choice.assertion))) &&
      (!choice.onlyDifferent || new Set(answers.map((answer) => answer.text?.trim())).size > 1) &&
      (words.length === 0 || matches(item, answers, words))
    );
  });
  const weigh = orders[choice.order];
  if (weigh === undefined) return fitting;
  return fitting
    .map((item) => ({ item, weight: weigh(shownOf(item, choice)) }))
    .toSorted((a, b) => b.weight - a.weight)
    .map(({ item }) => item);
}

function shownOf(item, { columns }) {
  return item.answers.filter((answer) => columns.has(answer.column));
}

function hasStatus(answer, status) {
  return status === 'open' ? isOpen(answer.status) : answer.status === status;
}

/** `*`: any; otherwise the assertion's name. */
function fails(answer, assertion) {
  return failsOf(answer).some((outcome) => assertion === '*' || outcome.name === assertion);
}

function matches(item, answers, words) {
  item.haystack ??= [item.item, item.prompt, item.system, JSON.stringify(item.vars ?? '')].join('\n').toLowerCase();
  return words.every(
    (word) =>
      item.haystack.includes(word) || answers.some((answer) => (answer.text ?? '').toLowerCase().includes(word)),
  );
}
