import express, { type Request, type RequestHandler, type Response, Router } from 'express';
import * as z from 'zod';
import { toModelManagerError } from '@aimm/contracts';
import { type Access, type Admission, sessionCookie, sessionMs } from './access.ts';
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
  router.post('/login', express.urlencoded({ extended: false, limit: '8kb' }), async (req, res) => {
    const form = LoginForm.safeParse(req.body).data;
    const opened = form === undefined ? 'refused' : await orProblem(req, res, access.openSession(form.token.trim()));
    if (opened === undefined) return;
    if (typeof opened === 'string') {
      res.status(opened === 'refused' ? 401 : 403);
      sendForm(res, { next: form?.next, wrong: opened });
      return;
    }
    res.cookie(sessionCookie, opened.cookie, { ...cookieOptions(req.headers), maxAge: sessionMs });
    res.redirect(303, toLocalPath(form?.next));
  });
  router.post('/logout', (req, res) => {
    res.clearCookie(sessionCookie, cookieOptions(req.headers));
    res.redirect(303, '/login');
  });
  return router;
}

/** Sends browsers to the form and tells programs what is missing. */
export function requireLogin(access: Pick<Access, 'demanded' | 'check'>): RequestHandler {
  return async (req, res, next) => {
    const admission = await orProblem(req, res, access.check(req));
    if (admission === 'admitted') return next();
    if (admission === undefined) return;
    if (admission === 'not_admin') {
      sendProblem(req, res, 403, notAdmin);
      return;
    }
    // On loopback without AIMM_AUTH_TOKEN nobody has to sign in; what was brought was wrong all the same.
    if (wantsPage(req) && access.demanded) {
      res.redirect(303, `/login?next=${encodeURIComponent(req.originalUrl)}`);
      return;
    }
    res.set('WWW-Authenticate', 'Bearer realm="AI Model Manager"');
    sendProblem(req, res, 401, {
      title: 'The dashboard needs its token',
      detail:
        'Send the value of AIMM_AUTH_TOKEN, or an access token with the scope admin, as “Authorization: Bearer …”, or sign in at /login.',
    });
  };
}

const notAdmin = {
  title: 'This access token may not see the dashboard',
  detail:
    'It shows what everybody asked, so it needs the scope admin. Your own usage is in the tool get_usage_stats and the resource stats://usage.',
};

/** What was found out; undefined once the visitor was told that it cannot be now. */
async function orProblem<T>(req: Request, res: Response, work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (thrown) {
    const { message, hint } = toModelManagerError(thrown);
    sendProblem(req, res, 503, { title: message, ...(hint !== undefined && { detail: hint }), retrySeconds: 5 });
    return undefined;
  }
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

function sendForm(
  res: Response,
  { next, wrong }: { next: string | undefined; wrong?: Exclude<Admission, 'admitted'> },
): void {
  const notice =
    wrong === undefined
      ? false
      : wrong === 'not_admin'
        ? html`<p class="notice bad" role="alert">
            This access token has not the scope admin, which the dashboard needs.
          </p>`
        : html`<p class="notice bad" role="alert">
            This is not the token in AIMM_AUTH_TOKEN, and no access token that is live.
          </p>`;
  const body = html`<section class="card narrow">
    <h1>Sign in</h1>
    <p>
      The queues hold prompts and answers, so this dashboard asks for the token in <code>AIMM_AUTH_TOKEN</code>, or for
      an access token with the scope <code>admin</code>.
    </p>
    ${notice}
    <form method="post" action="/login">
      <label for="token">Token</label>
      <input id="token" name="token" type="password" autocomplete="current-password" required autofocus />
      <input name="next" type="hidden" value="${next ?? '/'}" />
      <button>Sign in</button>
    </form>
  </section>`;
  res.type('html').send(renderPage({ title: 'Sign in · AI Model Manager', body, links: false }));
}
