import fc from 'fast-check';
import { oddText, oddValue, withField } from './odd-values.ts';

/** What of JSON Schema the listed tools use. */
export interface Schema {
  type?: string;
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  format?: string;
  pattern?: string;
}

type Arguments = Record<string, unknown>;

/** Stands for the id of a job that exists when the input is sent. */
const jobPlace = /^\$job(\d+)$/;

const job = fc.nat(50).map((index) => `$job${index}`);
const model = fc.constantFrom(
  'mistral/mistral-medium-3-5',
  'openai/gpt-6.1-terra',
  'anthropic/claude-sonnet-5-5',
  'google/gemini-3.8-flash',
  'ollama/llama3.2',
  'gpt-6.1-terra',
  'auto',
  'mistral/one-that-came-yesterday',
);
const image = fc.constantFrom('https://pictures.example/cat.png', 'data:image/png;base64,iVBORw0KGgo=');
const shortText = fc.oneof(fc.string({ minLength: 1, maxLength: 20 }), fc.constantFrom('Hi', 'Grüße', '你好', '🙂'));

/** What a schema cannot say: which models there are, that waiting takes time. By the field's name. */
const known: Record<string, fc.Arbitrary<unknown>> = {
  model,
  judge: model,
  models: fc.uniqueArray(model, { minLength: 2, maxLength: 4 }),
  fallbacks: fc.array(model, { minLength: 1, maxLength: 3 }),
  job_id: job,
  provider: fc.constantFrom('openai', 'anthropic', 'google', 'mistral', 'ollama'),
  images: fc.array(image, { minLength: 1, maxLength: 2 }),
  url: image,
  wait_seconds: fc.constantFrom(0, 0.01, 1),
  timeout_seconds: fc.constantFrom(5, 60, 86_400),
  max_wait_seconds: fc.constantFrom(5, 60, 86_400),
  conversation_id: fc.constantFrom('conv_0198c0de-0000-7000-8000-000000000001'),
  cursor: fc.constantFrom('0', '1', '999999999'),
  schema: fc.constantFrom(
    { type: 'object' },
    { type: 'object', properties: { answer: { type: 'string' } } },
    { type: 'object', properties: { a: { $ref: '#/properties/a' } } },
    { $ref: '#' },
    { type: 'nothing' },
    { pattern: '(a+)+$' },
    { $ref: 'file:///etc/passwd' },
    { $schema: 'https://json-schema.org/draft/2019-09/schema', type: 'array' },
  ),
  parameters: fc.constantFrom({ type: 'object' }, { type: 'object', properties: { city: { type: 'string' } } }, {}),
};

/** Values that a schema lets through, or nearly so: what stands between fields is no schema's business. */
function fromSchema(schema: Schema, name = ''): fc.Arbitrary<unknown> {
  const own = known[name];
  if (own !== undefined) return own;
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return fc.oneof(...choices.map((choice) => fromSchema(choice)));
  switch (schema.type) {
    case 'object':
      return fromObject(schema);
    case 'array':
      return fc.array(fromSchema(schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 3, (schema.minItems ?? 0) + 2),
      });
    case 'string':
      if (schema.format === 'date') return fc.constantFrom('2026-01-01', '2026-11-22');
      if (schema.format === 'date-time') return fc.constantFrom('2026-01-01T00:00:00Z', '2026-11-22T08:00:00+02:00');
      return shortText;
    case 'integer':
      return fc.integer({ min: schema.minimum ?? 1, max: schema.maximum ?? 10_000 });
    case 'number':
      return fc.double({
        min: schema.minimum ?? schema.exclusiveMinimum ?? 0,
        max: schema.maximum ?? 100,
        noNaN: true,
      });
    case 'boolean':
      return fc.boolean();
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function fromObject({ properties = {}, required = [] }: Schema): fc.Arbitrary<Arguments> {
  const fields = Object.entries(properties).map(([name, field]) => {
    const value = fromSchema(field, name).map((given) => ({ [name]: given }));
    if (required.includes(name)) return value;
    return fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: value });
  });
  return fc.tuple(...fields).map((parts): Arguments => Object.assign({}, ...parts));
}

/** One thing that is wrong with arguments, at any place in them. */
interface Fault {
  place: number;
  kind: 'replace' | 'remove' | 'add' | 'wrap' | 'quote';
  name: string;
  value: unknown;
}

const fault: fc.Arbitrary<Fault> = fc.record({
  place: fc.nat(1_000),
  kind: fc.constantFrom('replace', 'replace', 'replace', 'remove', 'add', 'wrap', 'quote'),
  name: fc.oneof(fc.constantFrom('__proto__', 'constructor', 'toString', 'api_key', 'id', 'limit', '0'), oddText),
  value: oddValue,
});

/** Arguments of a tool: as its schema says, with one or two faults, or something else entirely. */
export function toolArguments(schema: Schema): fc.Arbitrary<unknown> {
  const valid = fromObject(schema).map(withOneQuestion(schema));
  return fc.oneof(
    { weight: 3, arbitrary: valid },
    {
      weight: 6,
      arbitrary: fc
        .tuple(valid, fc.array(fault, { minLength: 1, maxLength: 2 }))
        .map(([args, faults]) => faults.reduce<unknown>(spoil, args)),
    },
    { weight: 1, arbitrary: fc.dictionary(oddText, oddValue, { maxKeys: 4 }) },
  );
}

/** Exactly one of prompt and messages, or nearly every call would fail over that. */
function withOneQuestion({ properties = {} }: Schema): (args: Arguments) => Arguments {
  return (args) => {
    if (properties['prompt'] === undefined) return args;
    const { messages: _messages, ...rest } = args;
    return 'prompt' in args ? rest : 'messages' in args ? args : { ...args, prompt: 'Hi' };
  };
}

/** Every place below a value, outermost first. */
function placesOf(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null || path.length > 4) return [path];
  const inner = Object.keys(value).slice(0, 40);
  const keys = Array.isArray(value) ? inner.map(Number) : inner;
  return [path, ...keys.flatMap((key) => placesOf((value as Record<string | number, unknown>)[key], [...path, key]))];
}

function spoil(args: unknown, { place, kind, name, value }: Fault): unknown {
  const places = placesOf(args).filter((path) => path.length > 0 || kind !== 'remove');
  const path = places[place % Math.max(1, places.length)];
  if (path === undefined) return args;
  const change = (old: unknown): unknown => {
    switch (kind) {
      case 'wrap':
        return [old];
      case 'quote':
        return String(JSON.stringify(old));
      case 'add':
        return typeof old === 'object' && old !== null && !Array.isArray(old) ? withField(old, name, value) : value;
      case 'remove':
      case 'replace':
        return value;
    }
  };
  return changeAt(args, path, kind === 'remove' ? undefined : change);
}

function changeAt(
  value: unknown,
  [key, ...rest]: (string | number)[],
  change: ((old: unknown) => unknown) | undefined,
): unknown {
  if (key === undefined) return change?.(value);
  if (Array.isArray(value))
    return value.flatMap((entry: unknown, index) => {
      if (index !== key) return [entry];
      return rest.length === 0 && change === undefined ? [] : [changeAt(entry, rest, change)];
    });
  if (typeof value !== 'object' || value === null) return value;
  const old = (value as Record<string, unknown>)[String(key)];
  if (rest.length > 0 || change !== undefined) return withField(value, String(key), changeAt(old, rest, change));
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== key));
}

/** The arguments with the id of a job that there is. */
export function withJob(args: unknown, jobs: readonly string[]): unknown {
  if (typeof args !== 'object' || args === null || !('job_id' in args)) return args;
  const [, index] = typeof args.job_id === 'string' ? (jobPlace.exec(args.job_id) ?? []) : [];
  const found = index === undefined ? undefined : jobs[Number(index) % Math.max(1, jobs.length)];
  return found === undefined ? args : { ...args, job_id: found };
}
