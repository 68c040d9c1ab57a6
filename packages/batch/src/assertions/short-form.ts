/** Words that other tools have for it, and what it is here. */
const otherTypes: Record<string, { type: string; ignore_case?: true }> = {
  icontains: { type: 'contains', ignore_case: true },
  not_icontains: { type: 'not_contains', ignore_case: true },
  iequals: { type: 'equals', ignore_case: true },
  is_json: { type: 'json_schema' },
  similar: { type: 'similarity' },
  cost: { type: 'max_cost' },
  latency: { type: 'max_latency' },
};

const types = ['contains', 'not_contains', 'equals', 'regex', 'json_schema', 'similarity', 'max_cost', 'max_latency'];

/** Known from promptfoo, and not done here without asking a model or running code. */
const unsupportedTypes = new Set(
  (
    'answer_relevance bleu classifier contains_all contains_any contains_json contains_sql eval factuality fn g_eval grade ' +
    'icontains_all icontains_any is_sql is_xml javascript levenshtein llm_rubric model_graded_closedqa moderation perplexity ' +
    'python rouge_n select_best starts_with webhook'
  ).split(' '),
);

/** `not-contains`, `icontains`, … as the type here and what goes with it; undefined where there is none. */
export function findAssertionType(word: string): { type: string; ignore_case?: true } | undefined {
  const snake = word.toLowerCase().replaceAll('-', '_');
  return types.includes(snake) ? { type: snake } : otherTypes[snake];
}

/** Whether it is a type elsewhere that is none here. */
export function isUnsupportedType(word: string): boolean {
  return unsupportedTypes.has(word.toLowerCase().replaceAll('-', '_').replace(/^not_/, ''));
}

/**
 * `contains: x`, `similar(0.8): x`, `is-json`, `cost(0.01)` as the object form; undefined where it does not begin with a
 * type.
 */
export function parseShortForm(text: string): Record<string, unknown> | undefined {
  const { word, argument, value } =
    /^\s*(?<word>[a-z][a-z_-]*)\s*(?:\((?<argument>[\d.]+)\))?\s*(?::\s*(?<value>[\s\S]*))?$/i.exec(text)?.groups ?? {};
  const known = word === undefined ? undefined : findAssertionType(word);
  // A text that is one word only, such as `contains`, is an answer that is expected.
  if (known === undefined || (argument === undefined && value === undefined && word !== 'is-json')) return undefined;
  const number = argument === undefined ? undefined : Number(argument);
  switch (known.type) {
    case 'max_cost':
      return { ...known, usd: number ?? toNumber(value) };
    case 'max_latency':
      return { ...known, ms: number ?? toNumber(value) };
    case 'json_schema':
      return value === undefined || value.trim() === '' ? known : { ...known, schema: parseObject(value) };
    case 'similarity':
      return { ...known, value, ...(number !== undefined && { threshold: number }) };
    case 'regex':
      return { ...known, pattern: value };
    default:
      return { ...known, value };
  }
}

/** The word before the colon, whether or not it is a type. */
export function findFirstWord(text: string): string | undefined {
  return /^\s*([a-z][a-z_-]*)\s*(?:\([\d.]+\))?\s*:/i.exec(text)?.[1];
}

/** A text that is no number stays what it is, to be told in the refusal. */
function toNumber(text = ''): number | string | undefined {
  const trimmed = text.trim();
  if (trimmed === '') return undefined;
  return Number.isNaN(Number(trimmed)) ? trimmed : Number(trimmed);
}

function parseObject(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // refused by what reads the object form
  }
}

export { types as assertionTypes };
