import { loadCatalog } from '@aimm/catalog';
import { ModelManagerError } from '@aimm/contracts';
import { expect, it } from 'vitest';
import { createProviderSet } from '../src/provider-set.ts';
import type { StoredKey } from '../src/stored-keys.ts';

const { catalog } = loadCatalog({ env: {} });
const stored = (label: string, secret: string): StoredKey => ({
  id: `key_${label}`,
  provider: 'openai',
  label,
  fingerprint: '…',
  secret,
});
const open = (environment: Record<string, string>) => createProviderSet({ catalog, served: ['openai'], environment });
type Providers = ReturnType<typeof open>;
const labels = (providers: Providers) =>
  providers
    .find('openai')
    ?.keyHealth()
    .map(({ label }) => label);

it('a provider has the key of the environment first, then the stored ones, each once', () => {
  const providers = open({ OPENAI_API_KEY: 'sk-environment' });
  providers.setStored([stored('one', 'sk-one'), stored('same', 'sk-environment'), stored('two', 'sk-two')]);
  expect(labels(providers)).toEqual(['OPENAI_API_KEY', 'one', 'two']);
  expect(providers.secrets().toSorted()).toEqual(['sk-environment', 'sk-one', 'sk-two']);
});

it('a stored key makes a provider configured; without it, it is not', () => {
  const providers = open({});
  expect(providers.describe()).toEqual([{ id: 'openai', configured: false, demo: false }]);
  providers.setStored([stored('one', 'sk-one')]);
  expect(providers.describe()).toEqual([{ id: 'openai', configured: true, demo: false }]);
  providers.setStored([]);
  expect(providers.describe()).toEqual([{ id: 'openai', configured: false, demo: false }]);
  // It may still be in a log line that is about to be written.
  expect(providers.secrets()).toEqual(['sk-one']);
});

it('a demo neither uses nor shows stored keys, and they are there when it ends', () => {
  const providers = open({ AIMM_DEMO_ACTIVE: '1', OPENAI_API_KEY: 'demo', OPENAI_BASE_URL: 'http://127.0.0.1:1' });
  providers.setStored([stored('one', 'sk-one')]);
  expect(labels(providers)).toEqual([]);
  expect(providers.find('openai')?.keys).toHaveLength(1);
  providers.configure({ AIMM_DEMO_ACTIVE: '', OPENAI_API_KEY: '', OPENAI_BASE_URL: '' });
  expect(labels(providers)).toEqual(['one']);
});

it('a key that stays keeps being set aside when others come and go; one with another endpoint starts anew', () => {
  const providers = open({ OPENAI_API_KEY: 'sk-environment' });
  const [key] = providers.find('openai')?.keys ?? [];
  if (key === undefined) throw new Error('no key');
  providers.find('openai')?.report(key, new ModelManagerError('authentication', 'no'));
  const state = () => providers.find('openai')?.keyHealth()[0]?.state;
  providers.setStored([stored('one', 'sk-one')]);
  providers.configure({ OPENAI_API_KEY: 'sk-environment' });
  expect(state()).toBe('set_aside');
  providers.configure({ OPENAI_API_KEY: 'sk-environment', OPENAI_BASE_URL: 'http://127.0.0.1:1/v1' });
  expect(state()).toBe('in_use');
});

it('a provider is asked by way of the proxy', async () => {
  const environment = { OPENAI_API_KEY: 'sk-environment', OPENAI_BASE_URL: 'http://vendor.invalid/v1' };
  const proxy = { http: 'http://127.0.0.1:9' };
  const providers = createProviderSet({ catalog, served: ['openai'], environment, proxy });
  const [key] = providers.find('openai')?.keys ?? [];
  const health = await key?.provider.checkHealth({ signal: new AbortController().signal, deep: false });
  expect(health).toMatchObject({ reachable: false, hint: expect.stringContaining('HTTPS_PROXY') });
});
