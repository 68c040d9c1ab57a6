import { type StackInfo, toStackPaths } from '@aimm/local-stack';
import { loadEnvironment } from '@aimm/runtime';
import { describe, expect, it } from 'vitest';
import { formatBanner, toFarewell } from '../src/banner.ts';
import { toStackInfo } from './support/bare-stack.ts';

describe('how the banner connects a client over stdio', () => {
  const { dataDir: usual } = loadEnvironment({}).env;
  const binPath = '/checkout/aimm.mjs';

  function readBanner(dataDir: string, more: Partial<StackInfo> = {}): { command: string; server: unknown } {
    const { redisSocket, databaseFile } = toStackPaths(dataDir);
    const own = { redisUrl: `unix:${redisSocket}`, databaseUrl: `file:${databaseFile}` };
    const text = formatBanner(toStackInfo(dataDir, { ...own, ...more }), { binPath, token: undefined, farewell: '' });
    const lines = text.split('\n').map((line) => line.trim());
    return {
      command: lines.find((line) => line.startsWith('claude mcp add')) ?? '',
      server: JSON.parse(lines.find((line) => line.startsWith('{')) ?? '{}').mcpServers['ai-model-manager'],
    };
  }

  it('is plain where the stack is in its usual place', () => {
    expect(readBanner(usual)).toEqual({
      command: 'claude mcp add ai-model-manager -- node /checkout/aimm.mjs mcp',
      server: { command: 'node', args: [binPath, 'mcp'] },
    });
  });

  it('names the place of a stack that is elsewhere, since a client would start another one', () => {
    expect(readBanner('/srv/my data', { settings: { AIMM_CONFIG_DIR: '/srv/config' } })).toEqual({
      command:
        "claude mcp add --env AIMM_DATA_DIR='/srv/my data' --env AIMM_CONFIG_DIR=/srv/config --transport stdio ai-model-manager -- node /checkout/aimm.mjs mcp",
      server: {
        command: 'node',
        args: [binPath, 'mcp'],
        env: { AIMM_DATA_DIR: '/srv/my data', AIMM_CONFIG_DIR: '/srv/config' },
      },
    });
  });

  it('names another Redis and another database, and the password of none', () => {
    const databaseUrl = 'postgresql://me:hush@db/aimm';
    expect(readBanner(usual, { redisUrl: 'redis://queue:6379', databaseUrl })).toEqual({
      command:
        'claude mcp add --env REDIS_URL=redis://queue:6379 --env DATABASE_URL="$DATABASE_URL" --transport stdio ai-model-manager -- node /checkout/aimm.mjs mcp',
      server: {
        command: 'node',
        args: [binPath, 'mcp'],
        env: { REDIS_URL: 'redis://queue:6379', DATABASE_URL: 'postgresql://me:…@db/aimm' },
      },
    });
  });
});

it.each([
  [true, 'goes on in its own terminal'],
  [false, 'goes on in the background until nobody needs it'],
])('says what becomes of a stack that was joined (in a terminal: %s)', (foreground, says) => {
  expect(toFarewell({ foreground })).toContain(says);
});
