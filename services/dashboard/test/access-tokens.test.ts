import { randomBytes } from 'node:crypto';
import { type AccessScope, ModelManagerError } from '@aimm/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sessionMs } from '../src/access.ts';
import { createSessionBox } from '../src/session-box.ts';
import { asBrowser, ask } from './ask.ts';
import { createDashboardFixture, type DashboardFixture } from './dashboard-fixture.ts';

const bootstrap = 'a-bootstrap-token-for-this-test';
/** Tokens as the manager would know them. */
function createTokens() {
  const live = new Map<string, AccessScope[]>();
  return {
    create: (...scopes: AccessScope[]) => {
      const token = `aimm_${randomBytes(32).toString('hex')}`;
      live.set(token, scopes);
      return token;
    },
    revoke: (token: string) => live.delete(token),
    identify: async (token: string) => {
      if (token === 'unchecked') throw new ModelManagerError('unavailable', 'Access tokens cannot be checked now.');
      const scopes = live.get(token);
      return scopes && { client: 'somebody', admin: scopes.includes('admin'), scopes };
    },
  };
}

const privatePaths = ['/', '/queues', '/queues/api/queues', '/metrics'];

describe.each([
  ['with AIMM_AUTH_TOKEN', { token: bootstrap }],
  ['with AIMM_REQUIRE_TOKEN', { requireToken: true }],
])('access tokens, %s', (_how, settings) => {
  let dashboard: DashboardFixture;
  const { create, revoke, identify } = createTokens();
  let clock = Date.now();
  beforeAll(async () => {
    dashboard = await createDashboardFixture({ ...settings, identify, now: () => clock });
  });
  afterAll(() => dashboard?.close());

  const open = async (path: string, headers: Record<string, string>) =>
    (await ask(`${dashboard.url}${path}`, { headers })).status;
  const signIn = (token: string) =>
    ask(`${dashboard.url}/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ token }).toString(),
    });

  test('an admin’s opens every page, and may press its buttons', async () => {
    const token = create('admin');
    const headers = { authorization: `Bearer ${token}` };
    for (const path of privatePaths) expect([path, await open(path, headers)]).toEqual([path, 200]);
    const pause = await ask(`${dashboard.url}/queues/api/queues/mistral/pause`, { method: 'PUT', headers });
    const resume = await ask(`${dashboard.url}/queues/api/queues/mistral/resume`, { method: 'PUT', headers });
    expect([pause.status, resume.status]).toEqual([200, 200]);
  });

  test('any other opens none of them, and is told what it lacks', async () => {
    const token = create('generate', 'read');
    const headers = { authorization: `Bearer ${token}` };
    for (const path of privatePaths) {
      const answer = await ask(`${dashboard.url}${path}`, { headers });
      expect([path, answer.status]).toEqual([path, 403]);
      expect(answer.text).toContain('scope admin');
      expect(answer.text).not.toContain(token);
    }
    const pause = await ask(`${dashboard.url}/queues/api/queues/mistral/pause`, { method: 'PUT', headers });
    expect(pause.status).toBe(403);
    const health = await ask(`${dashboard.url}/healthz`, { headers });
    expect(JSON.parse(health.text)).toEqual({ status: expect.any(String) });
    const form = await signIn(token);
    expect([form.status, form.headers]).toEqual([
      403,
      expect.not.objectContaining({ 'set-cookie': expect.anything() }),
    ]);
    expect(form.text).toContain('has not the scope admin');
  });

  test('one that nobody made opens none of them', async () => {
    const headers = { authorization: `Bearer aimm_${'0'.repeat(64)}` };
    for (const path of privatePaths) expect([path, await open(path, headers)]).toEqual([path, 401]);
    expect(await open('/', { ...headers, ...asBrowser })).toBe(303);
  });

  test('one that cannot be checked now opens none of them, and is told to try again', async () => {
    const answer = await ask(`${dashboard.url}/queues/api/queues`, { headers: { authorization: 'Bearer unchecked' } });
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '5']);
    expect(answer.text).toContain('cannot be checked');
    expect((await signIn('unchecked')).status).toBe(503);
  });

  test('an admin’s opens a session, which ends with its time', async () => {
    const token = create('admin');
    const { status, headers } = await signIn(token);
    const [cookie = ''] = headers['set-cookie'] ?? [];
    expect(status).toBe(303);
    expect(cookie).toMatch(/; HttpOnly.*; SameSite=Strict/);
    expect(cookie).not.toContain(token.slice(5, 20));
    const session = { cookie: cookie.split(';')[0] ?? '' };
    expect(await open('/', session)).toBe(200);
    for (const forged of [`${session.cookie}x`, session.cookie.slice(0, -2), 'aimm_dashboard=', 'aimm_dashboard=AAAA'])
      expect(await open('/queues/api/queues', { cookie: forged })).toBe(401);
    clock += sessionMs + 1;
    expect(await open('/queues/api/queues', session)).toBe(401);
  });

  test('a session ends when its token is revoked', async () => {
    const token = create('admin');
    const [cookie = ''] = (await signIn(token)).headers['set-cookie'] ?? [];
    const session = { cookie: cookie.split(';')[0] ?? '' };
    expect(await open('/queues/api/queues', session)).toBe(200);
    revoke(token);
    expect(await open('/queues/api/queues', session)).toBe(401);
  });
});

describe('on loopback, without either', () => {
  test('nobody is asked for a token, and one that is brought counts', async () => {
    const { create, identify } = createTokens();
    const dashboard = await createDashboardFixture({ identify });
    const open = async (token?: string) => {
      const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
      return (await ask(`${dashboard.url}/queues/api/queues`, { headers })).status;
    };
    const [admin, reader] = [create('admin'), create('read')];
    expect([await open(), await open(admin), await open(reader), await open('wrong')]).toEqual([200, 200, 403, 401]);
    await dashboard.close();
  });
});

describe('a session’s box', () => {
  test('is opened by those who have its secret, and shows nobody what is in it', () => {
    const box = createSessionBox('the secret of this test');
    const sealed = box.seal('what is in it');
    expect(createSessionBox('the secret of this test').open(sealed)).toBe('what is in it');
    expect(createSessionBox('another secret').open(sealed)).toBeUndefined();
    expect(createSessionBox(undefined).open(sealed)).toBeUndefined();
    expect(Buffer.from(sealed, 'base64url').toString('latin1')).not.toContain('what');
    expect(box.seal('what is in it')).not.toBe(sealed);
    for (const broken of [
      '',
      'x',
      sealed.slice(4),
      `${sealed}x`,
      `${sealed.slice(0, -4)}AAAA`,
      `_-_-${sealed.slice(4)}`,
    ])
      expect(box.open(broken)).toBeUndefined();
  });
});
