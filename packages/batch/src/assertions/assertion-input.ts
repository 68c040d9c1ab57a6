import { type Assertion, ModelManagerError } from '@aimm/contracts';
import * as z from 'zod';
import { describeIssue } from '../input/describe-issue.ts';
import { JsonObjectInput } from '../input/json-object.ts';
import { KeptText } from '../input/kept-text.ts';
import { assertionTypes, findAssertionType, findFirstWord, isUnsupportedType, parseShortForm } from './short-form.ts';

const named = { name: KeptText.max(100).optional() };
const text = { value: z.string().min(1), ignore_case: z.boolean().optional() };

const ObjectForm = z.discriminatedUnion('type', [
  z.strictObject({ ...named, type: z.literal('contains'), ...text }),
  z.strictObject({ ...named, type: z.literal('not_contains'), ...text }),
  z.strictObject({ ...named, type: z.literal('equals'), ...text, value: z.string() }),
  z
    .strictObject({
      ...named,
      type: z.literal('regex'),
      pattern: z.string().min(1),
      flags: z
        .string()
        .regex(/^[imsuv]*$/, 'expected none but i, m, s, u, v')
        .optional(),
    })
    .superRefine(({ pattern, flags }, ctx) => {
      const fault = findPatternFault(pattern, flags);
      if (fault !== undefined) ctx.addIssue({ code: 'custom', path: ['pattern'], message: fault });
    }),
  z.strictObject({ ...named, type: z.literal('json_schema'), schema: JsonObjectInput.optional() }),
  z.strictObject({
    ...named,
    type: z.literal('similarity'),
    value: z.string(),
    threshold: z.number().min(0).max(1).default(0.8),
  }),
  z.strictObject({ ...named, type: z.literal('max_cost'), usd: z.number().min(0).max(1e6) }),
  z.strictObject({ ...named, type: z.literal('max_latency'), ms: z.number().min(0) }),
]);

/** What promptfoo calls some fields. */
const otherFields: Record<string, Record<string, string>> = {
  regex: { value: 'pattern' },
  json_schema: { value: 'schema' },
  max_cost: { threshold: 'usd', value: 'usd' },
  max_latency: { threshold: 'ms', value: 'ms' },
};

/**
 * An assertion as users write it: `{"type": "contains", "value": "x", "ignore_case": true}`, or short, `"contains: x"`.
 * Whether a JSON Schema in it is one is found apart (`checkJsonSchema`), since that is not done at once.
 */
export const AssertionInput = z.unknown().transform((input, ctx): Assertion => {
  const fault = (message: string, path: PropertyKey[] = []) => {
    ctx.issues.push({ code: 'custom', input, path, message });
    return z.NEVER;
  };
  const form = typeof input === 'string' ? parseShortForm(input) : input;
  if (typeof input === 'string' && form === undefined) return fault(describeShort(input));
  if (typeof form !== 'object' || form === null || Array.isArray(form))
    return fault(
      'expected an object such as {"type": "contains", "value": "Paris"}, or a text such as "contains: Paris"',
    );
  const type = 'type' in form ? form.type : undefined;
  const known = typeof type === 'string' ? findAssertionType(type) : undefined;
  if (known === undefined) return fault(describeType(type), ['type']);
  const parsed = ObjectForm.safeParse(rename({ ...form, ...known }), { reportInput: true });
  if (parsed.success) return toAssertion(parsed.data);
  // Finished issues are raw ones that have a message already.
  for (const issue of parsed.error.issues) ctx.issues.push({ ...issue } as z.core.$ZodRawIssue);
  return z.NEVER;
});

/**
 * @throws ModelManagerError `invalid_request` that says what is wrong with it
 */
export function parseAssertion(input: unknown): Assertion {
  const parsed = AssertionInput.safeParse(input, { reportInput: true });
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.flatMap((issue) => describeIssue(issue, ['name', 'type', 'value']));
  throw new ModelManagerError('invalid_request', `Invalid assertion:\n${faults.join('\n')}`, {
    hint: 'Correct it: {"type": "contains", "value": "Paris"}, or short, "contains: Paris".',
  });
}

function describeShort(input: string): string {
  const word = findFirstWord(input);
  if (word !== undefined && isUnsupportedType(word)) return describeType(word);
  return `expected "type: value", as in "contains: Paris"; types: ${assertionTypes.join(', ')}`;
}

/** Says which types there are, and what there is in place of one of another tool. */
export function describeType(type: unknown): string {
  const known = `expected ${assertionTypes.join(', ')}`;
  if (typeof type !== 'string') return known;
  const judged = isUnsupportedType(type) ? ' For a model’s opinion give the batch a judge.' : '';
  return `${known}; got ${JSON.stringify(type.slice(0, 40))}.${judged}`;
}

function rename(form: Record<string, unknown> & { type: string }): Record<string, unknown> {
  const result: Record<string, unknown> = { ...form };
  for (const [other, own] of Object.entries(otherFields[form.type] ?? {})) {
    if (!(other in result) || own in result) continue;
    result[own] = result[other];
    delete result[other];
  }
  return result;
}

function toAssertion(form: z.output<typeof ObjectForm>): Assertion {
  switch (form.type) {
    case 'contains':
    case 'not_contains':
    case 'equals': {
      const { ignore_case: ignoreCase, ...rest } = form;
      return { ...rest, ...(ignoreCase !== undefined && { ignoreCase }) };
    }
    case 'max_cost': {
      const { usd, ...rest } = form;
      return { ...rest, nanoUsd: Math.round(usd * 1e9) };
    }
    case 'regex':
    case 'json_schema':
    case 'similarity':
    case 'max_latency':
      return form;
  }
}

export function findPatternFault(pattern: string, flags: string | undefined): string | undefined {
  // It is not stored as it is, and what is stored might be no pattern.
  if (pattern.includes('\0')) return 'holds U+0000 as it is: write \\0';
  if (!pattern.isWellFormed()) return 'holds half a character: write \\uD800 and the like';
  try {
    new RegExp(pattern, flags);
    return undefined;
  } catch (error) {
    const hint = /^\(\?[a-z]+\)/.test(pattern) ? ' Write {"pattern": …, "flags": "i"} for (?i).' : '';
    return `is no regular expression: ${(error as Error).message}.${hint}`;
  }
}
