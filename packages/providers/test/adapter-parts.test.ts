import type { JsonObject } from '@aimm/contracts';
import { describe, expect, test } from 'vitest';
import { parseErrorBody, readThrown } from '../src/adapter/error-body.ts';
import { closeObjects, isStrictSchema, schemaName } from '../src/adapter/json-schema.ts';
import { readMedia } from '../src/adapter/media.ts';
import { findRetryAfterMs } from '../src/adapter/retry-after.ts';
import { toUsage } from '../src/adapter/usage.ts';

const now = Date.parse('2026-11-22T10:00:00Z');

describe('findRetryAfterMs', () => {
  test.each<[Record<string, string>, number | undefined]>([
    [{ 'retry-after-ms': '250', 'retry-after': '9' }, 250],
    [{ 'retry-after': '1.5' }, 1500],
    [{ 'retry-after': 'Sun, 22 Nov 2026 10:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Sun, 22 Nov 2026 09:00:00 GMT' }, 0],
    [{ 'retry-after': 'soon' }, undefined],
    [{ 'retry-after': '' }, undefined],
    [{ 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '6m0.5s' }, 360_500],
    [{ 'x-ratelimit-remaining-tokens': '9', 'x-ratelimit-reset-tokens': '6m0s' }, undefined],
    [
      { 'anthropic-ratelimit-requests-remaining': '0', 'anthropic-ratelimit-requests-reset': '2026-11-22T10:01:00Z' },
      60_000,
    ],
    [{}, undefined],
  ])('%o is %s ms', (headers, expected) => {
    expect(findRetryAfterMs(headers, undefined, now)).toBe(expected);
  });

  test('of several limits that are used up, the last to come back counts', () => {
    const headers = {
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-requests': '120ms',
      'x-ratelimit-remaining-tokens': '0',
      'x-ratelimit-reset-tokens': '2s',
    };
    expect(findRetryAfterMs(headers, undefined, now)).toBe(2000);
  });
});

describe('error bodies', () => {
  test.each([
    ['{"error":{"message":"m","type":"t","code":"C"}}', ['c', 't']],
    ['[{"error":{"message":"m","status":"S","details":[{"reason":"R"}]}}]', ['r', 's']],
    ['{"error":"m"}', []],
    ['{"object":"error","message":"m","type":"t","code":"3505"}', ['3505', 't']],
    ['{"detail":"m"}', []],
    ['m', []],
  ])('%s', (text, codes) => {
    expect(parseErrorBody(text)).toMatchObject({ message: 'm', codes });
  });

  test('a payload inside the text of an SDK’s error is found', () => {
    const thrown = new Error('got status: UNAVAILABLE. {"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}');
    expect(readThrown(thrown)).toMatchObject({ message: 'busy', status: 503, codes: ['unavailable'] });
  });
});

describe('schemas', () => {
  const open = { type: 'object', properties: { at: { type: 'object', properties: { x: { type: 'number' } } } } };

  test('closing reaches every object and changes nothing that is said', () => {
    expect(closeObjects(open)).toEqual({
      type: 'object',
      additionalProperties: false,
      properties: { at: { type: 'object', additionalProperties: false, properties: { x: { type: 'number' } } } },
    });
    const said = { type: 'object', properties: {}, additionalProperties: { type: 'string' } };
    expect(closeObjects(said)).toEqual(said);
  });

  const part = (name: string) => ({ type: 'object', properties: { [name]: {} }, required: [name] });
  const defined = { $defs: { base: part('id') } };
  test.each<[string, JsonObject]>([
    ['allOf', { type: 'object', allOf: [part('id'), part('name')] }],
    ['allOf of a definition', { ...defined, allOf: [{ $ref: '#/$defs/base' }, part('name')] }],
    ['anyOf beside properties', { ...part('kind'), anyOf: [part('x'), part('y')] }],
    ['a definition beside properties', { ...defined, ...part('name'), $ref: '#/$defs/base' }],
    ['a condition', { ...part('kind'), if: { required: ['kind'] }, else: part('x') }],
    ['anyOf inside allOf', { allOf: [{ anyOf: [part('x'), part('y')] }, part('name')] }],
    ['within another object', { ...part('id'), properties: { id: { allOf: [part('x'), part('y')] } } }],
  ])('halves that would forbid each other’s properties stay open: %s', (_name, schema) => {
    expect(closeObjects(schema)).toEqual(schema);
    expect(isStrictSchema(closeObjects(schema))).toBe(false);
  });

  test.each<[string, JsonObject, number]>([
    ['alternatives', { anyOf: [part('x'), part('y')] }, 2],
    ['a requirement of either', { ...part('x'), anyOf: [{ required: ['x'] }, { required: ['y'] }] }, 1],
    ['one definition', { ...defined, allOf: [{ $ref: '#/$defs/base' }] }, 1],
  ])('what stands alone is closed: %s', (_name, schema, times) => {
    expect(JSON.stringify(closeObjects(schema)).split('"additionalProperties":false')).toHaveLength(times + 1);
  });

  test('a property may be called like a keyword', () => {
    const schema = { type: 'object', properties: { properties: { type: 'string' } }, required: ['properties'] };
    expect(closeObjects(schema)).toEqual({ ...schema, additionalProperties: false });
    expect(isStrictSchema(closeObjects(schema))).toBe(true);
  });

  test('optional properties and refused keywords are not strict', () => {
    expect(isStrictSchema(closeObjects(open))).toBe(false);
    expect(isStrictSchema({ type: 'object', properties: {}, additionalProperties: false, oneOf: [] })).toBe(false);
    expect(isStrictSchema({ type: 'array' })).toBe(false);
  });

  test('names are made fit', () => {
    expect([schemaName('a b/c'), schemaName(undefined), schemaName('x'.repeat(99)).length]).toEqual([
      'a_b_c',
      'answer',
      64,
    ]);
  });
});

describe('readMedia', () => {
  test.each([
    [
      { data: 'aGk=', mediaType: 'image/gif' },
      { at: 'inline', mediaType: 'image/gif', base64: 'aGk=' },
    ],
    [{ url: 'data:image/gif;base64,aGk=' }, { at: 'inline', mediaType: 'image/gif', base64: 'aGk=' }],
    [{ data: 'data:image/gif;base64,aGk=' }, { at: 'inline', mediaType: 'image/gif', base64: 'aGk=' }],
    [{ url: 'data:text/plain;charset=utf-8,a%20b' }, { at: 'inline', mediaType: 'text/plain', base64: 'YSBi' }],
    [{ url: 'https://example.com/a.png' }, { at: 'url', url: 'https://example.com/a.png' }],
    [{ url: 'data:nonsense' }, { at: 'nowhere' }],
    [{}, { at: 'nowhere' }],
  ])('%o', (part, expected) => {
    expect(readMedia({ type: 'image', ...part })).toEqual(expected);
  });
});

describe('counts', () => {
  test.each([2 ** 64, 2 ** 32 - 1, -1, 1.5, Number.NaN])('%d is none', (input) => {
    expect(toUsage({ input, output: 3 })).toEqual({ outputTokens: 3 });
  });
});
