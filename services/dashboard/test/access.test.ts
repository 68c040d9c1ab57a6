import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sessionMs } from '../src/access.ts';
import { asBrowser, ask } from './ask.ts';
import { createDashboardFixture, type DashboardFixture } from './dashboard-fixture.ts';

const token = 'a-token-for-this-test';
const bearer = { authorization: `Bearer ${token}` };
const privatePaths = ['/', '/queues', '/queues/', '/queues/api/queues', '/queues/static/js/nothing.js', '/nowhere'];

describe('without a token, on loopback', () => {
  let dashboard: DashboardFixture;
  beforeAll(async () => {
    dashboard = await createDashboardFixture();
    await dashboard.addJob();
  });
  afterAll(() => dashboard.close());

  test.each(['evil.example', 'evil.example:3921', '127.0.0.1.evil.example', 'localhost.evil.example', '10.0.0.7', '@'])(
    'a page that reached the dashboard under the name %s learns nothing',
    async (host) => {
      for (const path of ['/', '/queues', '/queues/api/queues', '/healthz']) {
        const answer = await ask(`${dashboard.url}${path}`, { headers: { host } });
        expect(answer.status).toBe(403);
        expect(answer.text).not.toMatch(/mistral|"ok"|degraded/);
      }
    },
  );

  test.each(['localhost', 'LOCALHOST:3921', '127.0.0.1:80', '127.3.2.1', '[::1]:3921'])(
    'a person who opens it as %s sees it',
    async (host) => {
      expect((await ask(`${dashboard.url}/queues/api/queues`, { headers: { host } })).status).toBe(200);
    },
  );

  test.each([
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { origin: 'http://127.0.0.1:1' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ] as Record<string, string>[])('a page from elsewhere cannot change a queue: %j', async (headers) => {
    const pause = `${dashboard.url}/queues/api/queues/mistral/pause`;
    expect((await ask(pause, { method: 'PUT', headers })).status).toBe(403);
    const { text } = await ask(`${dashboard.url}/queues/api/queues`);
    expect(JSON.parse(text).queues.map((queue: { isPaused: boolean }) => queue.isPaused)).not.toContain(true);
  });

  test('the dashboard’s own pages and programs can', async () => {
    const { origin } = new URL(dashboard.url);
    const own = { origin, 'sec-fetch-site': 'same-origin' };
    const pause = await ask(`${dashboard.url}/queues/api/queues/mistral/pause`, { method: 'PUT', headers: own });
    const resume = await ask(`${dashboard.url}/queues/api/queues/mistral/resume`, { method: 'PUT' });
    expect([pause.status, resume.status]).toEqual([200, 200]);
  });

  test('no answer may be framed, kept on disk, or load anything from elsewhere', async () => {
    for (const path of ['/', '/queues', '/queues/api/queues', '/healthz', '/nowhere']) {
      const { headers } = await ask(`${dashboard.url}${path}`);
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
      });
      expect(headers['content-security-policy']).toMatch(/default-src '(self|none)'.*frame-ancestors 'none'/);
      expect(headers).not.toHaveProperty('x-powered-by');
      expect(headers).not.toHaveProperty('access-control-allow-origin');
    }
  });
});

describe('with a token', () => {
  let dashboard: DashboardFixture;
  let clock = Date.now();
  beforeAll(async () => {
    dashboard = await createDashboardFixture({ token, now: () => clock });
    await dashboard.addJob();
  });
  afterAll(() => dashboard.close());

  const signIn = (fields: Record<string, string>, headers: Record<string, string> = {}) =>
    ask(`${dashboard.url}/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: new URLSearchParams(fields).toString(),
    });
  const openSession = async () => {
    const { headers } = await signIn({ token });
    const [cookie = ''] = headers['set-cookie'] ?? [];
    return cookie.split(';')[0] ?? '';
  };

  test.each(privatePaths)('a program without it gets 401 and a challenge from %s', async (path) => {
    const answer = await ask(`${dashboard.url}${path}`);
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
  });

  test.each(privatePaths)(
    'a browser without it is sent from %s to the form, and told where to go then',
    async (path) => {
      const answer = await ask(`${dashboard.url}${path}`, { headers: asBrowser });
      expect(answer.status).toBe(303);
      expect(answer.headers.location).toBe(`/login?next=${encodeURIComponent(path)}`);
    },
  );

  test('a change without it does nothing', async () => {
    const answer = await ask(`${dashboard.url}/queues/api/queues/mistral/pause`, { method: 'PUT', headers: asBrowser });
    expect(answer.status).toBe(401);
  });

  test.each([
    `Bearer ${token}x`,
    'Bearer ',
    `Basic ${token}`,
    token,
    `Bearer ${token.toUpperCase()}`,
    `Bearer x ${token}`,
  ])('%j opens nothing', async (authorization) => {
    expect((await ask(`${dashboard.url}/`, { headers: { authorization } })).status).toBe(401);
  });

  test('nor does the token in an address', async () => {
    for (const query of [`?token=${token}`, `?access_token=${token}`, `?authorization=Bearer%20${token}`])
      expect((await ask(`${dashboard.url}/queues/api/queues${query}`)).status).toBe(401);
  });

  test('the token as bearer opens every page, whatever the name the dashboard is reached by', async () => {
    for (const path of ['/', '/queues', '/queues/api/queues'])
      expect((await ask(`${dashboard.url}${path}`, { headers: { ...bearer, host: 'dash.example' } })).status).toBe(200);
  });

  test('signing in opens a session whose cookie scripts and other sites cannot use, and which is not the token', async () => {
    const { status, headers } = await signIn({ token, next: '/queues' });
    expect([status, headers.location]).toEqual([303, '/queues']);
    const [cookie = ''] = headers['set-cookie'] ?? [];
    expect(cookie).toMatch(/; HttpOnly/);
    expect(cookie).toMatch(/; SameSite=Strict/);
    expect(cookie).not.toContain(token);
    expect(cookie).not.toMatch(/; Secure/);
    const [overTls = ''] = (await signIn({ token }, { 'x-forwarded-proto': 'https' })).headers['set-cookie'] ?? [];
    expect(overTls).toMatch(/; Secure/);
    const page = await ask(`${dashboard.url}/`, { headers: { cookie: `other=1; ${cookie.split(';')[0]}` } });
    expect(page.status).toBe(200);
    expect(page.text).toContain('Sign out');
  });

  test('a session ends after its time', async () => {
    const cookie = await openSession();
    const ask200 = () => ask(`${dashboard.url}/queues/api/queues`, { headers: { cookie } });
    clock += sessionMs - 1_000;
    expect((await ask200()).status).toBe(200);
    clock += 2_000;
    expect((await ask200()).status).toBe(401);
  });

  test('a session cannot be made longer or made up', async () => {
    const cookie = await openSession();
    const [name, value = ''] = cookie.split('=');
    const [until = '', proof = ''] = value.split('.');
    const forged = [
      `${Number(until) + 1}.${proof}`,
      `${until}.`,
      `.${proof}`,
      `${until}.${proof.slice(0, -1)}`,
      `0${until}.${proof}x`,
      token,
      '',
    ];
    for (const each of forged) {
      const answer = await ask(`${dashboard.url}/`, { headers: { cookie: `${name}=${each}` } });
      expect([each, answer.status]).toEqual([each, 401]);
    }
  });

  test('a wrong token opens no session and is told so', async () => {
    for (const fields of [{ token: `${token}x` }, { token: '' }, {}] as Record<string, string>[]) {
      const answer = await signIn(fields);
      expect(answer.status).toBe(401);
      expect(answer.headers).not.toHaveProperty('set-cookie');
      expect(answer.text).toContain('This is not the token in AIMM_AUTH_TOKEN');
    }
  });

  test.each(['https://evil.example/', '//evil.example', '/\\evil.example', '/\t/evil.example', 'javascript:alert(1)'])(
    'signing in never leads to another site: %j',
    async (next) => {
      const { headers } = await signIn({ token, next });
      expect(new URL(headers.location ?? '', dashboard.url).host).toBe(new URL(dashboard.url).host);
      expect(headers.location).toMatch(/^\/(?![/\\])/);
    },
  );

  test('a form on another site cannot sign anybody in or out', async () => {
    expect((await signIn({ token }, { origin: 'http://evil.example' })).status).toBe(403);
    const out = await ask(`${dashboard.url}/logout`, { method: 'POST', headers: { origin: 'http://evil.example' } });
    expect(out.status).toBe(403);
  });

  test('what a stranger puts into the address does not become markup of the form', async () => {
    const { text } = await ask(`${dashboard.url}/login?next=${encodeURIComponent('"><script>alert(1)</script>')}`);
    expect(text).not.toContain('<script>');
  });

  test('styles of the form need no session', async () => {
    expect((await ask(`${dashboard.url}/assets/dashboard.css`)).status).toBe(200);
  });
});
