import { type Html, html } from './html.ts';

export interface PageOptions {
  title: string;
  body: Html;
  /** Offers to sign out. */
  signedIn?: boolean;
  /** The ways to the other pages; default true. */
  links?: boolean;
  /** The browser asks again after so many seconds. */
  refreshSeconds?: number;
}

/** A whole document, without scripts and without anything from elsewhere. */
export function renderPage({ title, body, signedIn = false, links = true, refreshSeconds }: PageOptions): string {
  const refresh = refreshSeconds !== undefined && html`<meta http-equiv="refresh" content="${refreshSeconds}" />`;
  const signOut = html`<form method="post" action="/logout"><button class="quiet">Sign out</button></form>`;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        ${refresh}
        <title>${title}</title>
        <link rel="icon" type="image/svg+xml" href="/assets/icon.svg" />
        <link rel="stylesheet" href="/assets/dashboard.css" />
      </head>
      <body>
        <header>
          <a class="brand" href="/"><img src="/assets/icon.svg" alt="" width="28" height="28" />AI Model Manager</a>
          ${links && html`<nav><a href="/">Overview</a><a href="/queues">Queues</a>${signedIn && signOut}</nav>`}
        </header>
        <main>${body}</main>
      </body>
    </html> `.markup;
}
