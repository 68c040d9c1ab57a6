import type * as z from 'zod';

/** What callers who know another API tend to write, and what it is called here. */
const otherNames: Record<string, string> = {
  max_tokens: 'max_output_tokens',
  max_completion_tokens: 'max_output_tokens',
  stop_sequences: 'stop',
  user_id: 'user',
  cache_control: 'prompt_cache',
  text: 'prompt',
  input: 'prompt',
  system_prompt: 'system',
  reasoning: 'reasoning_effort',
  output_format: 'response_format',
  timeout: 'timeout_seconds',
  timeout_ms: 'timeout_seconds',
  wait: 'wait_seconds',
  id: 'job_id',
  request_id: 'job_id',
};

/**
 * What is wrong, as one or more lines `- field: what is expected, what came`.
 *
 * @param fields those that there are at the top, to be suggested for an unknown one
 */
export function describeIssue(issue: z.core.$ZodIssue, fields: readonly string[]): string[] {
  const path = formatPath(issue.path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => {
        const where = path === '' ? key : `${path}.${key}`;
        return `- ${where}: unknown field. ${issue.path.length === 0 ? suggestField(key, fields) : 'Remove it.'}`;
      });
    case 'invalid_type':
      if (issue.input === undefined) return [`- ${path}: required. Expected ${article(issue.expected)}.`];
      return [
        `- ${path || 'arguments'}: expected ${article(issue.expected)}, got ${formatValue(issue.input)}. ${suggestType(issue.expected, issue.input)}`.trimEnd(),
      ];
    case 'invalid_value':
      return [
        `- ${path}: expected ${issue.values.map((value) => JSON.stringify(value)).join(', ')}; got ${formatValue(issue.input)}.`,
      ];
    case 'too_small':
    case 'too_big':
      return [`- ${path}: ${describeSize(issue)}; got ${formatValue(issue.input)}.`];
    default:
      return [`- ${path === '' ? '' : `${path}: `}${issue.message}`];
  }
}

function describeSize(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  const [bound, limit] =
    issue.code === 'too_small'
      ? [issue.inclusive === false ? 'more than' : 'at least', issue.minimum]
      : [issue.inclusive === false ? 'less than' : 'at most', issue.maximum];
  if (issue.origin === 'string' && issue.code === 'too_small' && limit === 1) return 'must not be empty';
  const unit =
    issue.origin === 'string' ? ' characters' : issue.origin === 'array' ? (limit === 1 ? ' entry' : ' entries') : '';
  return `expected ${bound} ${limit}${unit}`;
}

function suggestField(key: string, fields: readonly string[]): string {
  const snake = key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`).replaceAll('-', '_');
  const meant = [otherNames[snake], snake].find((name) => name !== undefined && fields.includes(name));
  return meant === undefined ? `Remove it, or use one of: ${fields.join(', ')}.` : `Use ${meant}.`;
}

function suggestType(expected: string, input: unknown): string {
  if (input === null) return 'Leave the field out instead.';
  const isQuoted =
    expected === 'boolean'
      ? input === 'true' || input === 'false'
      : (expected === 'number' || expected === 'int') && typeof input === 'string' && Number.isFinite(Number(input));
  if (isQuoted) return 'Send it without quotes.';
  if (expected === 'array') return 'Put it in brackets: [ … ].';
  return '';
}

function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${String(key)}`))
    .join('');
}

/** Short, and never a whole prompt. */
function formatValue(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'number' || typeof value === 'boolean') return `the ${typeof value} ${value}`;
  if (typeof value !== 'string') return typeof value;
  return value.length > 40 ? `a text of ${value.length} characters` : `the text ${JSON.stringify(value)}`;
}

function article(type: string): string {
  const names: Record<string, string> = {
    int: 'a whole number',
    record: 'an object',
    object: 'an object',
    array: 'a list',
    string: 'a text',
    boolean: 'true or false',
  };
  return names[type] ?? `a ${type}`;
}
