import type { Request, Response } from 'express';
import { html } from './html.ts';
import { renderPage } from './page.ts';

export interface Problem {
  title: string;
  /** What to do about it. */
  detail?: string;
  /** Worth asking again after so many seconds. */
  retrySeconds?: number;
}

/** Whether a browser asks for a page, rather than a script or a program for data. */
export function wantsPage(req: Request): boolean {
  return req.method === 'GET' && req.accepts(['json', 'html']) === 'html';
}

/** Answers with what is wrong: a page for browsers, `{ error, detail }` for programs. */
export function sendProblem(req: Request, res: Response, status: number, problem: Problem): void {
  const { title, detail, retrySeconds } = problem;
  res.status(status);
  if (retrySeconds !== undefined) res.set('Retry-After', String(retrySeconds));
  if (!wantsPage(req)) {
    res.json({ error: title, ...(detail !== undefined && { detail }) });
    return;
  }
  const body = html`<section class="card narrow">
    <h1>${title}</h1>
    ${detail !== undefined && html`<p>${detail}</p>`}
  </section>`;
  res
    .type('html')
    .send(renderPage({ title, body, ...(retrySeconds !== undefined && { refreshSeconds: retrySeconds }) }));
}
