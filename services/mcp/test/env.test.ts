import { expect, it } from 'vitest';
import { forgetProviderKeys } from '../src/env.ts';

it('the keys of providers leave the environment, and only they', () => {
  const env: NodeJS.ProcessEnv = {
    OPENAI_API_KEY: 'a',
    GEMINI_API_KEY: 'b',
    HF_TOKEN: 'e',
    AIMM_AUTH_TOKEN: 'c',
    OPENAI_BASE_URL: 'd',
  };
  forgetProviderKeys(['HF_TOKEN'], env);
  expect(Object.keys(env).toSorted()).toEqual(['AIMM_AUTH_TOKEN', 'OPENAI_BASE_URL']);
});
