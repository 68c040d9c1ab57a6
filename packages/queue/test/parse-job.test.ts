import { UnrecoverableError } from 'bullmq';
import { describe, expect, test } from 'vitest';
import { parseJob } from '../src/parse-job.ts';

describe('a job that cannot be read fails for good, in our words', () => {
  test.each(['no-such-job', 'constructor', '__proto__', 'toString', ''])('of the name %j', (name) => {
    expect(() => parseJob(name, {})).toThrow(UnrecoverableError);
    expect(() => parseJob(name, {})).toThrow('invalid_request: there is no job');
  });

  test.each([[undefined], [null], [[]], [{}], ['text']])('with data %j', (data) => {
    expect(() => parseJob('generate', data)).toThrow(UnrecoverableError);
    expect(() => parseJob('generate', data)).toThrow("invalid_request: the job's data does not fit");
  });

  test('with data nested deeper than it can be read', () => {
    let deep: unknown = 1;
    for (let level = 0; level < 20_000; level += 1) deep = [deep];
    const settings = { responseFormat: { type: 'json_schema', schema: { deep } } };
    const data = { request: { model: 'm', messages: [], settings } };
    expect(() => parseJob('generate', data)).toThrow(UnrecoverableError);
    expect(() => parseJob('generate', data)).toThrow('invalid_request');
  });
});
