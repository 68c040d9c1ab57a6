import type { RequestHandler } from 'express';
import { type Html, html } from '../html.ts';
import { renderPage } from '../page.ts';
import { queueDown } from '../queue-down.ts';
import { formatTime } from './format.ts';
import { type Overview, type OverviewSources, readOverview } from './read-overview.ts';
import { providersTable, queuesTable, workersTable } from './tables.ts';
import { usageSection } from './usage-section.ts';

/** `/`: what works, what waits, what was used. 503 while the queue cannot be reached, with what can be told all the same. */
export function overviewPage({ signedIn, ...sources }: OverviewSources & { signedIn: boolean }): RequestHandler {
  return async (_req, res) => {
    const overview = await readOverview(sources);
    const body = renderOverview(overview);
    res.status(overview.queues.problem === undefined ? 200 : 503);
    res.type('html').send(renderPage({ title: 'AI Model Manager', body, signedIn }));
  };
}

/** The page's content. */
export function renderOverview(overview: Overview): Html {
  const { at, providers, queues, workers, usage } = overview;
  const demo = providers.value?.some((provider) => provider.demo) ?? false;
  return html`
    <div class="title">
      <h1>Overview${demo && html` <span class="badge demo">DEMO</span>`}</h1>
      <p class="muted">As of ${formatTime(at)} · <a href="/">Refresh</a></p>
    </div>
    ${demo && demoNotice} ${findProblems(overview).map(toNotice)} ${usage.value && usageSection(usage.value)}
    ${
      providers.value &&
      html`<section class="card">
        <h2>Providers</h2>
        ${providersTable(providers.value)}
      </section>`
    }
    ${
      queues.value &&
      html`<section class="card">
        <h2>Queues <a class="more" href="/queues">Open in Bull Board</a></h2>
        ${queuesTable(queues.value)}
      </section>`
    }
    ${
      workers.value &&
      workers.value.length > 0 &&
      html`<section class="card">
        <h2>Workers</h2>
        ${workersTable(workers.value, at)}
      </section>`
    }
  `;
}

const demoNotice = html`<p class="notice demo">
  <strong>DEMO:</strong> no provider is configured, so made-up answers stand in for all of them. Set a key such as
  <code>OPENAI_API_KEY</code>, or start Ollama, for real ones.
</p>`;

interface Problem {
  title: string;
  detail: string;
}

function findProblems({ queues, workers, usage }: Overview): Problem[] {
  return [
    ...(queues.problem === undefined ? [] : [queueDown]),
    ...(workers.value?.length === 0
      ? [{ title: 'No worker is running, so requests wait.', detail: 'Start one with aimm worker.' }]
      : []),
    ...(usage.problem === undefined
      ? []
      : [{ title: 'Usage cannot be read.', detail: [usage.problem.message, usage.problem.hint].join(' ').trim() }]),
  ];
}

function toNotice({ title, detail }: Problem): Html {
  return html`<p class="notice bad" role="alert"><strong>${title}</strong> ${detail}</p>`;
}
