import { loadEnvironment } from '@aimm/runtime';
import { expect, test } from 'vitest';
import { findIneffective, toStackSettings } from '../src/stack-settings.ts';

const read = (environment: Record<string, string>) => loadEnvironment(environment).raw;

test('a client is told of a proxy that its stack has not, without user name and password', () => {
  const raw = read({ https_proxy: 'http://ada:planted-secret@proxy:3128' });
  const told = findIneffective(raw, toStackSettings({}));
  expect(told).toEqual(['HTTPS_PROXY=http://proxy:3128/ (the stack has none)']);
  expect(findIneffective(raw, toStackSettings(read({ HTTPS_PROXY: 'proxy:3128' })))).toEqual([]);
});
