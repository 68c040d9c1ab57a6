import type { ProviderView } from '@aimm/manager';
import type { QueueCounts, WorkerPresence } from '@aimm/queue';
import { type Html, html } from '../html.ts';
import { formatCount, formatDuration } from './format.ts';

export function providersTable(providers: readonly ProviderView[]): Html {
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          <th>Provider</th>
          <th>State</th>
          <th>Default model</th>
          <th class="number">At once</th>
          <th class="number">Requests/min</th>
          <th class="number">Tokens/min</th>
        </tr>
      </thead>
      <tbody>
        ${providers.map(
          (provider) =>
            html`<tr>
              <td>${provider.name} <span class="muted">${provider.id}</span></td>
              <td>${toState(provider)}</td>
              <td><code>${provider.defaultModel ?? '–'}</code></td>
              <td class="number">${formatCount(provider.concurrency)}</td>
              <td class="number">${formatLimit(provider.requestsPerMinute)}</td>
              <td class="number">${formatLimit(provider.tokensPerMinute)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function toState({ configured, demo, problem, apiKeyVariables: [variable] }: ProviderView): Html {
  if (demo) return html`<span class="badge demo">demo</span>`;
  if (configured === undefined) return html`<span class="badge">no worker</span>`;
  if (configured) return html`<span class="badge good">configured</span>`;
  if (problem !== undefined)
    return html`<span class="badge warn">not configured</span> <span class="muted">${problem}</span>`;
  const hint = variable !== undefined && html` <span class="muted">needs <code>${variable}</code></span>`;
  return html`<span class="badge">not configured</span>${hint}`;
}

function formatLimit(limit: number | undefined): string {
  return limit === undefined ? 'no limit' : formatCount(limit);
}

export function queuesTable(queues: readonly QueueCounts[]): Html {
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          <th>Queue</th>
          <th class="number">Waiting</th>
          <th class="number">Active</th>
          <th class="number">Delayed</th>
          <th class="number">Failed</th>
        </tr>
      </thead>
      <tbody>
        ${queues.map(
          ({ name, waiting, active, delayed, failed, pausedForMs }) =>
            html`<tr>
              <td>
                <a href="/queues/queue/${encodeURIComponent(name)}">${name}</a>
                ${pausedForMs !== undefined && html`<span class="badge warn">waits ${formatDuration(pausedForMs)}</span>`}
              </td>
              ${[waiting, active, delayed].map((count) => toCell(count, ''))}${toCell(failed, 'bad')}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** Zeros step back, so that what waits or failed is seen. */
function toCell(count: number, tone: '' | 'bad'): Html {
  return html`<td class="number ${count === 0 ? 'muted' : tone}">${formatCount(count)}</td>`;
}

export function workersTable(workers: readonly WorkerPresence[], now: number): Html {
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          <th>Host</th>
          <th>Serves</th>
          <th class="number">Process</th>
          <th class="number">Up for</th>
        </tr>
      </thead>
      <tbody>
        ${workers.map(
          ({ host, pid, startedAt, providers }) =>
            html`<tr>
              <td>${host}</td>
              <td>${providers.map(({ id }) => id).join(', ')}</td>
              <td class="number">${pid}</td>
              <td class="number">${formatDuration(Math.max(0, now - startedAt))}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
