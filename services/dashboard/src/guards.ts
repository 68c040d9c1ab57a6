import { isLoopbackName } from '@aimm/runtime';
import type { RequestHandler } from 'express';
import { parseHostHeader } from './host-header.ts';
import { sendProblem } from './send-problem.ts';

const ownPages = [
  "default-src 'none'",
  "style-src 'self'",
  "img-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Bull Board's page sets styles on its elements and would fetch fonts from elsewhere: those stay out. */
const boardPages = [
  "default-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "object-src 'none'",
  "form-action 'self'",
  "base-uri 'self'",
  "frame-ancestors 'none'",
].join('; ');

export const setSecurityHeaders: RequestHandler = (req, res, next) => {
  res.set({
    'Content-Security-Policy': isUnder(req.path, '/queues') ? boardPages : ownPages,
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    // Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
    'Referrer-Policy': 'same-origin',
  });
  // Pages show prompts and answers: no copy of them stays on disk. Scripts, styles and pictures may.
  if (!isUnder(req.path, '/assets') && !isUnder(req.path, '/queues/static')) res.set('Cache-Control', 'no-store');
  next();
};

/** Against pages that reach for local servers by a name of their own (DNS rebinding). */
export const requireLocalHost: RequestHandler = (req, res, next) => {
  const name = parseHostHeader(req.headers.host);
  if (name !== undefined && isLoopbackName(name)) return next();
  sendProblem(req, res, 403, {
    title: 'This dashboard answers to local names only',
    detail: 'Open it as http://localhost or http://127.0.0.1, or set AIMM_AUTH_TOKEN to use it under another name.',
  });
};

/** Changes come from our own pages, or from programs, which send no Origin. */
export const requireSameOrigin: RequestHandler = (req, res, next) => {
  if (['GET', 'HEAD', 'OPTIONS'].includes(req.method)) return next();
  const { origin, host } = req.headers;
  const site = req.headers['sec-fetch-site'];
  const ours = origin === undefined || (URL.canParse(origin) && new URL(origin).host === host);
  if (ours && (site === undefined || site === 'same-origin' || site === 'none')) return next();
  sendProblem(req, res, 403, {
    title: 'Only the dashboard’s own pages may change something here',
    detail: 'Behind a proxy, let it pass on the Host header as the browser sent it.',
  });
};

function isUnder(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
