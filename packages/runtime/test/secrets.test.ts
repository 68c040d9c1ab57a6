import { expect, test } from 'vitest';
import { secretsOf, withoutProviderKeys } from '../src/secrets.ts';

const environment = {
  OPENAI_API_KEY: 'planted-openai',
  GEMINI_API_KEY: 'planted-gemini',
  AIMM_AUTH_TOKEN: 'planted-token',
  AIMM_MASTER_KEY: 'planted-master',
  MISTRAL_API_KEY: '',
  DATABASE_URL: 'postgresql://user:planted%2Bpassword@host/db',
  REDIS_URL: 'redis://host:6379',
  OPENAI_BASE_URL: 'https://api.example.test/v1',
};

test('a process without use for the providers’ keys gets neither them nor what opens the stored ones', () => {
  expect(Object.keys(withoutProviderKeys(environment)).toSorted()).toEqual([
    'AIMM_AUTH_TOKEN',
    'DATABASE_URL',
    'OPENAI_BASE_URL',
    'REDIS_URL',
  ]);
});

test('nor a key whose variable the configuration names otherwise', () => {
  expect(withoutProviderKeys({ HF_TOKEN: 'planted', GITHUB_TOKEN: 'git’s own' }, ['HF_TOKEN'])).toEqual({
    GITHUB_TOKEN: 'git’s own',
  });
});

test('keys, tokens and the passwords of URLs are never to be printed', () => {
  expect(secretsOf(environment).toSorted()).toEqual([
    'planted%2Bpassword',
    'planted+password',
    'planted-gemini',
    'planted-master',
    'planted-openai',
    'planted-token',
  ]);
});

test('a password is found as it is written where its percent signs mean nothing, and where it is a parameter', () => {
  expect(secretsOf({ ARTIFACTORY_URL: 'https://me:50%off@host' })).toEqual(['50%off']);
  expect(secretsOf({ DATABASE_URL: 'postgresql://host/db?user=app&password=hush%21hush' })).toEqual(['hush!hush']);
});

test.each(['HTTPS_PROXY', 'http_proxy', 'ALL_PROXY'])('the password of a proxy is one, in %s, too', (name) => {
  expect(secretsOf({ [name]: 'http://ada:planted%21proxy@proxy:3128' })).toEqual(['planted%21proxy', 'planted!proxy']);
  expect(secretsOf({ [name]: 'ada:planted-proxy@proxy:3128' })).toEqual(['planted-proxy']);
});
