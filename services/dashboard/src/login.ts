import express, { type RequestHandler, type Response, Router } from 'express';
import * as z from 'zod';
import { type Access, sessionCookie, sessionMs } from './access.ts';
import { html } from './html.ts';
import { renderPage } from './page.ts';
import { sendProblem, wantsPage } from './send-problem.ts';

const LoginForm = z.object({ token: z.string(), next: z.string().optional() });

/** `/login`: the token for a session's cookie. `/logout`: ends it. */
export function loginPages(access: Access): Router {
  const router = Router();
  router.get('/login', (req, res) => {
    const { next } = req.query;
    sendForm(res, { next: typeof next === 'string' ? next : undefined });
  });
  router.post('/login', express.urlencoded({ extended: false, limit: '8kb' }), (req, res) => {
    const form = LoginForm.safeParse(req.body).data;
    const session = form && access.openSession(form.token.trim());
    if (session === undefined) {
      res.status(401);
      sendForm(res, { next: form?.next, failed: true });
      return;
    }
    res.cookie(sessionCookie, session, { ...cookieOptions(req.headers), maxAge: sessionMs });
    res.redirect(303, toLocalPath(form?.next));
  });
  router.post('/logout', (req, res) => {
    res.clearCookie(sessionCookie, cookieOptions(req.headers));
    res.redirect(303, '/login');
  });
  return router;
}

/** Sends browsers to the form and tells programs what is missing. */
export function requireLogin(access: Access): RequestHandler {
  return (req, res, next) => {
    if (access.allows(req)) return next();
    if (wantsPage(req)) {
      res.redirect(303, `/login?next=${encodeURIComponent(req.originalUrl)}`);
      return;
    }
    res.set('WWW-Authenticate', 'Bearer realm="AI Model Manager"');
    sendProblem(req, res, 401, {
      title: 'The dashboard needs its token',
      detail: 'Send the value of AIMM_AUTH_TOKEN as “Authorization: Bearer …”, or sign in at /login.',
    });
  };
}

/** `Secure` where the browser came over TLS, which a proxy before us ends. */
function cookieOptions(headers: Record<string, unknown>) {
  const secure = headers['x-forwarded-proto'] === 'https';
  return { httpOnly: true, sameSite: 'strict', secure, path: '/' } as const;
}

/** Where to go after signing in: never to another site, whatever the address bar was made to hold. */
function toLocalPath(next: string | undefined): string {
  const base = 'http://dashboard.invalid';
  if (next === undefined || !URL.canParse(next, base)) return '/';
  const { origin, pathname, search } = new URL(next, base);
  return origin === base && !pathname.startsWith('//') ? `${pathname}${search}` : '/';
}

function sendForm(res: Response, { next, failed = false }: { next: string | undefined; failed?: boolean }): void {
  const wrong = html`<p class="notice bad" role="alert">This is not the token in AIMM_AUTH_TOKEN.</p>`;
  const body = html`<section class="card narrow">
    <h1>Sign in</h1>
    <p>The queues hold prompts and answers, so this dashboard asks for the token in <code>AIMM_AUTH_TOKEN</code>.</p>
    ${failed && wrong}
    <form method="post" action="/login">
      <label for="token">Token</label>
      <input id="token" name="token" type="password" autocomplete="current-password" required autofocus />
      <input name="next" type="hidden" value="${next ?? '/'}" />
      <button>Sign in</button>
    </form>
  </section>`;
  res.type('html').send(renderPage({ title: 'Sign in · AI Model Manager', body, links: false }));
}
