import { toKnownCost, toKnownSavings, type UsageReport, type UsageTotals } from '@aimm/contracts';
import { type Html, html } from '../html.ts';
import { formatCost, formatCount, formatDuration, formatPlural, formatShare } from './format.ts';

const mostModels = 10;

/** What was asked and what it cost, in sum and by model. */
export function usageSection({ totals, groups }: UsageReport): Html {
  return html`<section class="card">
    <h2>Last 24 hours</h2>
    <dl class="tiles">
      ${tile('Requests', formatCount(totals.requests), `${formatPlural(totals.calls, 'call')} to providers`)}
      ${tile('Tokens in', formatCount(totals.inputTokens))} ${tile('Tokens out', formatCount(totals.outputTokens))}
      ${tile('Cost', formatCost(toKnownCost(totals)), toUnpriced(totals))}
      ${tile('Errors', formatShare(totals.errorRate), toFaulty(totals))}
      ${tile('Latency', formatLatency(totals.latencyP50Ms), toSlowest(totals))}
      ${totals.cached > 0 && tile('From the cache', formatCount(totals.cached), `saved ${formatCost(toKnownSavings(totals))}`)}
    </dl>
    ${groups.length > 0 && modelsTable(groups)}
  </section>`;
}

function tile(name: string, value: string, note: string | false = false): Html {
  return html`<div>
    <dt>${name}</dt>
    <dd>${value}</dd>
    ${note !== false && html`<dd class="muted">${note}</dd>`}
  </div>`;
}

function toUnpriced(totals: UsageTotals): string | false {
  const unpriced = `${formatPlural(totals.unpricedCalls, 'call')} of unknown price`;
  return totals.unpricedCalls > 0 && (toKnownCost(totals) === null ? unpriced : `without ${unpriced}`);
}

/** The calls that the share of errors is made of, by how they ended. */
function toFaulty({ failed, partial, outcomeUnknown }: UsageTotals): string | false {
  const ends = { failed, 'broken off': partial, 'of unknown outcome': outcomeUnknown };
  const some = Object.entries(ends).filter(([, count]) => count > 0);
  return some.length > 0 && some.map(([name, count]) => `${formatCount(count)} ${name}`).join(', ');
}

function toSlowest({ latencyP95Ms }: UsageTotals): string | false {
  return latencyP95Ms !== undefined && `95% within ${formatDuration(latencyP95Ms)}`;
}

function formatLatency(ms: number | undefined): string {
  return ms === undefined ? '–' : formatDuration(ms);
}

function modelsTable(groups: UsageReport['groups']): Html {
  const shown = groups.slice(0, mostModels);
  const rest = groups.length - shown.length;
  return html`<div class="scroll">
      <table>
        <thead>
          <tr>
            <th>Model</th>
            <th class="number">Requests</th>
            <th class="number">Tokens in</th>
            <th class="number">Tokens out</th>
            <th class="number">Cost</th>
            <th class="number">Errors</th>
            <th class="number">Latency p50</th>
            <th class="number">p95</th>
          </tr>
        </thead>
        <tbody>
          ${shown.map(
            (group) =>
              html`<tr>
                <td><code>${group.key}</code></td>
                <td class="number">${formatCount(group.requests)}</td>
                <td class="number">${formatCount(group.inputTokens)}</td>
                <td class="number">${formatCount(group.outputTokens)}</td>
                <td class="number">${formatCost(toKnownCost(group))}</td>
                <td class="number">${formatShare(group.errorRate)}</td>
                <td class="number">${formatLatency(group.latencyP50Ms)}</td>
                <td class="number">${formatLatency(group.latencyP95Ms)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${rest > 0 && html`<p class="muted">and ${formatCount(rest)} more models</p>`}`;
}
