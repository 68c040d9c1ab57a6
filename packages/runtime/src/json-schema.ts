import { createContext, Script } from 'node:vm';
import type { ErrorObject, Options } from 'ajv';

/** What is wrong with a value, as `path: what it must be`; empty when the value fits. */
export type FindFaults = (value: unknown) => string[];

/** A schema that cannot be used, with the place in it that is at fault (`properties.age.type`; empty: all of it). */
export class JsonSchemaError extends Error {
  override readonly name = 'JsonSchemaError';
  readonly path: string;
  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

/** Schemas come from users: a pattern that backtracks without end must not hold the process. */
const compileWithinMs = 1_000;
const checkWithinMs = 250;
const maxFaults = 10;

// `strict` is about style, and formats are annotations since draft 2019-09: neither decides whether a value fits.
const options: Options = { strict: false, validateFormats: false, allErrors: true, logger: false };

/**
 * Refuses what is no JSON Schema of draft 2020-12 (or draft-07, where `$schema` says so), and what refers to something
 * outside of it: nothing is ever fetched.
 *
 * @throws JsonSchemaError
 */
export async function checkJsonSchema(schema: object): Promise<void> {
  if ('$async' in schema) throw new JsonSchemaError('$async', 'is no keyword of JSON Schema');
  const { Ajv, plain } = await choose(schema);
  const meta = new Ajv(options);
  createTimeLimit()(compileWithinMs, () => {
    if (meta.validateSchema(plain) === true) return;
    // The innermost place says most; its parents fail along with it.
    const faults = (meta.errors ?? []).toSorted((a, b) => depth(b) - depth(a));
    const [first] = faults;
    throw new JsonSchemaError(toPath(first?.instancePath ?? ''), describe(first));
  });
  await compileJsonSchema(schema);
}

/**
 * Makes the check of a schema that was found usable before.
 *
 * @throws JsonSchemaError
 */
export async function compileJsonSchema(schema: object): Promise<FindFaults> {
  const { Ajv, plain } = await choose(schema);
  const withinMs = createTimeLimit();
  const validate = withinMs(compileWithinMs, () => {
    try {
      return new Ajv({ ...options, meta: false, validateSchema: false }).compile(plain);
    } catch (error) {
      throw new JsonSchemaError('', (error as Error).message);
    }
  });
  return (value) => {
    try {
      if (withinMs(checkWithinMs, () => validate(value)) === true) return [];
    } catch (error) {
      if (error instanceof JsonSchemaError) return [error.message];
      throw error;
    }
    const faults = new Set(
      (validate.errors ?? []).map((error) => `${toPath(error.instancePath) || 'the whole'}: ${describe(error)}`),
    );
    return [...faults].slice(0, maxFaults);
  };
}

/**
 * The two drafts that are in use differ in what `items` may be. Loaded late: few requests bring a schema. With Ajv's own
 * `$async` a check would give a promise, whose rejection nobody awaits.
 */
async function choose(schema: object) {
  const {
    $schema: dialect = 'https://json-schema.org/draft/2020-12/schema',
    $async: _$async,
    ...plain
  } = schema as Record<string, unknown>;
  if (/^https?:\/\/json-schema\.org\/draft\/20(20-12|19-09)\/schema#?$/.test(String(dialect)))
    return { Ajv: (await import('ajv/dist/2020.js')).Ajv2020, plain };
  if (/^https?:\/\/json-schema\.org\/draft-0[67]\/schema#?$/.test(String(dialect)))
    return { Ajv: (await import('ajv')).Ajv, plain };
  throw new JsonSchemaError('$schema', 'must name draft 2020-12, 2019-09 or draft-07');
}

/**
 * Runs work and breaks it off where it takes longer than `timeout`: only this stops a regular expression.
 *
 * @throws JsonSchemaError where it was broken off, or ran out of stack
 */
function createTimeLimit() {
  const script = new Script('work()');
  const context = createContext({});
  return <T>(timeout: number, work: () => T): T => {
    context['work'] = work;
    try {
      return script.runInContext(context, { timeout }) as T; // what `work` returned
    } catch (error) {
      if (error instanceof RangeError)
        throw new JsonSchemaError('', 'refers to itself, or is nested, too deeply to be checked');
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
      throw new JsonSchemaError('', `takes longer than ${timeout} ms to check`);
    }
  };
}

const depth = ({ instancePath }: ErrorObject) => instancePath.split('/').length;

/** `/items/0/name` → `items[0].name`. */
function toPath(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((key, index) => (/^\d+$/.test(key) ? `[${key}]` : `${index === 0 ? '' : '.'}${key}`))
    .join('');
}

/** Names what the message leaves out: which property is one too many, which values there are. */
function describe(error: ErrorObject | undefined): string {
  const { message = 'does not fit', params = {} } = error ?? {};
  const { additionalProperty, allowedValues, allowedValue } = params as Record<string, unknown>;
  const more = additionalProperty ?? allowedValues ?? allowedValue;
  return more === undefined ? message : `${message}: ${JSON.stringify(more).slice(0, 200)}`;
}
