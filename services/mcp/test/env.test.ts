import { expect, it } from 'vitest';
import { forgetProviderKeys, secretsOf, withoutProviderKeys } from '../src/env.ts';

const environment = () => ({
  OPENAI_API_KEY: 'planted-openai',
  GEMINI_API_KEY: 'planted-gemini',
  AIMM_AUTH_TOKEN: 'planted-token',
  AIMM_MASTER_KEY: 'planted-master',
  DATABASE_URL: 'postgresql://user:planted%2Bpassword@host/db',
  REDIS_URL: 'redis://host:6379',
  OPENAI_BASE_URL: 'https://api.example.test/v1',
});

it('the keys of providers leave the environment, and only they', () => {
  const env: NodeJS.ProcessEnv = environment();
  forgetProviderKeys(env);
  const kept = ['AIMM_AUTH_TOKEN', 'AIMM_MASTER_KEY', 'DATABASE_URL', 'OPENAI_BASE_URL', 'REDIS_URL'];
  expect(Object.keys(env).toSorted()).toEqual(kept);
  expect(Object.keys(withoutProviderKeys(environment())).toSorted()).toEqual(kept);
});

it('logs never show keys, tokens or the passwords of URLs', () => {
  expect(secretsOf(environment()).toSorted()).toEqual([
    'planted%2Bpassword',
    'planted+password',
    'planted-gemini',
    'planted-master',
    'planted-openai',
    'planted-token',
  ]);
});
