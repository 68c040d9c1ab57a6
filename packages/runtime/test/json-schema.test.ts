import { describe, expect, test } from 'vitest';
import { checkJsonSchema, compileJsonSchema } from '../src/index.ts';

const person = {
  type: 'object',
  properties: {
    name: { type: 'string', pattern: '^[A-Z]' },
    age: { type: 'integer', minimum: 0 },
    pets: { type: 'array', items: { enum: ['cat', 'dog'] } },
  },
  required: ['name'],
  additionalProperties: false,
};

describe('a value', () => {
  test('that fits has no faults', async () => {
    const findFaults = await compileJsonSchema(person);
    expect(findFaults({ name: 'Ada', age: 36, pets: ['cat'] })).toEqual([]);
  });

  test('that does not fit is told all that is wrong, each with its place', async () => {
    const findFaults = await compileJsonSchema(person);
    expect(findFaults({ age: 1.5, pets: ['cat', 'fish'], extra: 1 })).toEqual([
      "the whole: must have required property 'name'",
      'the whole: must NOT have additional properties: "extra"',
      'age: must be integer',
      'pets[1]: must be equal to one of the allowed values: ["cat","dog"]',
    ]);
  });

  test('with very many faults is told the first ten', async () => {
    const findFaults = await compileJsonSchema({ type: 'array', items: { type: 'string' } });
    expect(findFaults(Array.from({ length: 50 }, (_, index) => index))).toHaveLength(10);
  });

  test('is held against definitions inside the schema', async () => {
    const findFaults = await compileJsonSchema({
      $defs: { node: { type: 'object', properties: { next: { $ref: '#/$defs/node' } } } },
      $ref: '#/$defs/node',
    });
    expect(findFaults({ next: { next: {} } })).toEqual([]);
    expect(findFaults({ next: { next: 1 } })).toEqual(['next.next: must be object']);
  });

  test('cannot hold the process: a pattern without end is broken off', async () => {
    const findFaults = await compileJsonSchema({ type: 'string', pattern: '^(a+)+$' });
    const startedAt = performance.now();
    expect(findFaults(`${'a'.repeat(60)}b`)).toEqual(['takes longer than 250 ms to check']);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  test('is checked at once, also where a schema asks for a check that is answered later', async () => {
    const findFaults = await compileJsonSchema({ $async: true, type: 'object', required: ['a'] });
    expect(findFaults({})).toEqual(["the whole: must have required property 'a'"]);
    expect(findFaults({ a: 1 })).toEqual([]);
  });

  test('does not fit a schema that refers to itself without end', async () => {
    const findFaults = await compileJsonSchema({ $ref: '#' });
    expect(findFaults({})).toEqual(['refers to itself, or is nested, too deeply to be checked']);
  });
});

describe('a schema', () => {
  test.each([
    [person],
    [{}],
    [{ $schema: 'http://json-schema.org/draft-07/schema#', items: [{ type: 'string' }] }],
    [{ $schema: 'https://json-schema.org/draft/2020-12/schema', prefixItems: [{ type: 'string' }] }],
    [{ type: 'string', format: 'a-format-of-ones-own', 'x-note': 'kept' }],
    [{ $id: 'https://example.com/same', type: 'string' }],
    [{ $id: 'https://example.com/same', type: 'number' }],
  ])('is taken: %j', async (schema) => {
    await expect(checkJsonSchema(schema)).resolves.toBeUndefined();
  });

  test.each([
    [{ type: 'object', properties: { age: { type: 'integr' } } }, 'properties.age.type', /allowed values/],
    [{ type: 'object', properties: { age: 'integer' } }, 'properties.age', /object,boolean/],
    [{ required: 'name' }, 'required', /array/],
    [{ $ref: '#/$defs/missing' }, '', /#\/\$defs\/missing/],
    [{ properties: { a: { $ref: 'https://example.com/other.json' } } }, '', /example\.com/],
    [{ type: 'string', pattern: '(' }, '', /regular expression/],
    [{ $schema: 'http://json-schema.org/draft-04/schema#' }, '$schema', /2020-12/],
    [{ $async: true, type: 'object', required: ['a'] }, '$async', /no keyword/],
    [{ properties: { a: { $async: true, type: 'object' } } }, '', /async/],
  ])('that cannot be used is refused with its place: %j', async (schema, path, message) => {
    await expect(checkJsonSchema(schema)).rejects.toMatchObject({
      name: 'JsonSchemaError',
      path,
      message: expect.stringMatching(message),
    });
  });
});
