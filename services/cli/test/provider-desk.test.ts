import { loadCatalog, type ProviderConfig } from '@aimm/catalog';
import { toKeyMark } from '@aimm/runtime';
import { afterEach, describe, expect, it } from 'vitest';
import { openProviderDesk, type ProviderDesk } from '../src/stack/provider-desk.ts';
import { findConfigured } from '../src/stack/provider-environment.ts';

const { catalog } = loadCatalog({ env: {} });
const findByKey: typeof findConfigured = (providers, environment) =>
  findConfigured(providers, environment, async () => false);

describe('openProviderDesk', { timeout: 15_000 }, () => {
  let desk: ProviderDesk | undefined;
  let ollamaAnswers = false;
  const open = async (raw: Record<string, string>, demo: 'auto' | 'on' | 'off' = 'auto') => {
    desk = await openProviderDesk({
      env: { AIMM_DEMO: demo },
      raw,
      catalog,
      findConfigured: (providers, environment) => findConfigured(providers, environment, async () => ollamaAnswers),
    });
    return desk;
  };
  afterEach(async () => {
    ollamaAnswers = false;
    await desk?.close();
  });

  it('serves a demo of every provider, marked as such, where none is configured', async () => {
    const { demo, configured, environment } = (await open({})).state();
    expect({ demo, configured }).toEqual({ demo: true, configured: [] });
    expect(environment['AIMM_DEMO_ACTIVE']).toBe('1');
    for (const { baseUrlVariable } of catalog.providers) {
      expect(environment[baseUrlVariable]).toMatch(/^http:\/\/127\.0\.0\.1:\d+/);
    }
  });

  it('ends the demo when a client brings a key, and leaves nothing of it behind', async () => {
    const opened = await open({});
    expect(await opened.take({ ANTHROPIC_API_KEY: 'sk-ant-real' })).toBe(true);
    const { demo, configured, environment } = opened.state();
    expect({ demo, configured }).toEqual({ demo: false, configured: ['anthropic'] });
    const set = Object.entries(environment).filter(([, value]) => value !== '');
    expect(set).toEqual([['ANTHROPIC_API_KEY', 'sk-ant-real']]);
    // Empty, not absent: a worker that lays this over its first environment must lose the demo's values.
    expect(environment).toMatchObject({ AIMM_DEMO_ACTIVE: '', OPENAI_API_KEY: '', OLLAMA_BASE_URL: '' });
  });

  it('needs no new environment for a client that brings nothing new', async () => {
    const opened = await open({ OPENAI_API_KEY: 'k' });
    expect(await opened.take({ OPENAI_API_KEY: 'other' })).toBe(false);
    expect(await opened.take({})).toBe(false);
  });

  it('ends the demo when Ollama has come up since', async () => {
    const opened = await open({});
    ollamaAnswers = true;
    expect(await opened.take({})).toBe(true);
    expect(opened.state()).toMatchObject({ demo: false, configured: ['ollama'] });
  });

  it('stays a demo with AIMM_DEMO=on whatever keys come, and never gives the workers those', async () => {
    const opened = await open({ OPENAI_API_KEY: 'sk-real' }, 'on');
    await opened.take({ MISTRAL_API_KEY: 'real' });
    expect(opened.state().demo).toBe(true);
    expect(Object.values(opened.state().environment)).not.toContain('sk-real');
    expect(Object.values(opened.state().environment)).not.toContain('real');
  });

  it('ends the demo when a key was stored, and begins it again when that is gone', async () => {
    const opened = await open({});
    expect(await opened.setStored(['mistral'])).toBe(true);
    expect(opened.state()).toMatchObject({ demo: false, configured: ['mistral'] });
    expect(Object.values(opened.state().environment).filter((value) => value !== '')).toEqual([]);
    expect(await opened.setStored(['mistral'])).toBe(false);
    expect(await opened.setStored([])).toBe(true);
    expect(opened.state()).toMatchObject({ demo: true, configured: [] });
  });

  it('serves no demo from the start where a key is stored', async () => {
    desk = await openProviderDesk({ env: { AIMM_DEMO: 'auto' }, raw: {}, catalog, stored: ['openai', 'gone'] });
    expect(desk.state()).toMatchObject({ demo: false });
    expect(desk.state().configured).toContain('openai');
    expect(desk.state().configured).not.toContain('gone');
  });

  it('lets another key take the place of one that the provider refused, and of no other', async () => {
    const opened = await open({ OPENAI_API_KEY: 'mistyped', MISTRAL_API_KEY: 'm' });
    const key = () => opened.state().environment['OPENAI_API_KEY'];
    const verdict = (secret: string, refused: boolean) =>
      opened.noteKey({ provider: 'openai', mark: toKeyMark('openai', secret), refused });
    expect(await verdict('mistyped', true)).toBe(false);
    expect(await opened.take({ OPENAI_API_KEY: 'mistyped' })).toBe(false);
    expect(await opened.take({ OPENAI_API_KEY: 'right', MISTRAL_API_KEY: 'other' })).toBe(true);
    expect(key()).toBe('right');
    expect(opened.state().environment['MISTRAL_API_KEY']).toBe('m');
    // What the one that was wrong is told of later, or a refusal that passes, changes nothing.
    expect(await verdict('mistyped', true)).toBe(false);
    expect(await verdict('right', true)).toBe(false);
    expect(await verdict('right', false)).toBe(false);
    expect(key()).toBe('right');
  });

  it('takes the key that another client brought before the first was refused', async () => {
    const opened = await open({ OPENAI_API_KEY: 'revoked' });
    expect(await opened.take({ OPENAI_API_KEY: 'fresh' })).toBe(false);
    const mark = toKeyMark('openai', 'revoked');
    expect(await opened.noteKey({ provider: 'openai', mark, refused: true })).toBe(true);
    expect(opened.state().environment['OPENAI_API_KEY']).toBe('fresh');
  });

  it('gives the workers the key of a provider that config/ has gained since, from wherever it came', async () => {
    const openrouter = { ...catalog.providers[0], id: 'openrouter', apiKeyVariables: ['OPENROUTER_API_KEY'] };
    const later = { ...catalog.providers[0], id: 'later', apiKeyVariables: ['LATER_TOKEN'] };
    const listModels: typeof catalog.listModels = (...args) => catalog.listModels(...args);
    const live = { providers: catalog.providers, listModels };
    const raw = { OPENAI_API_KEY: 'k', OPENROUTER_API_KEY: 'own' };
    desk = await openProviderDesk({ env: { AIMM_DEMO: 'auto' }, raw, catalog: live, findConfigured: findByKey });
    expect(await desk.take({ LATER_TOKEN: 'brought' })).toBe(false);
    expect(await desk.refresh()).toBe(false);
    live.providers = [...catalog.providers, openrouter as ProviderConfig, later as ProviderConfig];
    expect(await desk.refresh()).toBe(true);
    expect(desk.state().environment).toMatchObject({ OPENROUTER_API_KEY: 'own', LATER_TOKEN: 'brought' });
    expect(desk.state().configured).toEqual(['openai', 'openrouter', 'later']);
  });

  it('serves no demo with AIMM_DEMO=off', async () => {
    const { demo, configured } = (await open({}, 'off')).state();
    expect({ demo, configured }).toEqual({ demo: false, configured: [] });
  });
});
