import type { Database } from '@aimm/database';
import { createLogger, toKeyMark } from '@aimm/runtime';
import { loadCatalog } from '@aimm/catalog';
import { ModelManagerError } from '@aimm/contracts';
import { expect, it } from 'vitest';
import { noteKeyChanges } from '../src/note-key-changes.ts';
import { createProviderSet } from '../src/provider-set.ts';

const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
const { catalog } = loadCatalog({ env: {} });
const nowhere = () => Promise.reject<Pick<Database, 'apiKeys'>>(new Error('a key of the environment is in no row'));

it('tells the supervisor which key of the environment was refused or accepted again, by its mark', () => {
  const told: unknown[] = [];
  const providers = createProviderSet({
    catalog,
    environment: { OPENAI_API_KEY: 'sk-planted' },
    onKeyChange: noteKeyChanges(nowhere, logger, (verdict) => told.push(verdict)),
  });
  const ring = providers.find('openai');
  const key = ring?.next();
  if (ring === undefined || key === undefined) throw new Error('no key');
  ring.report(key, new ModelManagerError('authentication', 'no'));
  ring.report(key, undefined);
  // A used-up quota says nothing against the key.
  ring.report(key, new ModelManagerError('quota_exceeded', 'no'));
  const mark = toKeyMark('openai', 'sk-planted');
  expect(told).toEqual([
    { provider: 'openai', mark, refused: true },
    { provider: 'openai', mark, refused: false },
  ]);
  expect(JSON.stringify([told, ring.keyHealth()])).not.toContain('planted');
});
