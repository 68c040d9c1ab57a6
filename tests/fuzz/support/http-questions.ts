import fc from 'fast-check';
import type { HttpQuestions } from './http-input.ts';
import { oddText, oddValue } from './odd-values.ts';

/** What the front's HTTP side serves, and what lies beside it. */
export const frontQuestions: HttpQuestions = {
  methods: ['POST', 'POST', 'GET'],
  path: fc.oneof(
    { weight: 5, arbitrary: fc.constant('/mcp') },
    { weight: 2, arbitrary: fc.constantFrom('/healthz', '/', '/mcp/', '/MCP', '/mcp?token=x', '/mcp/../healthz') },
  ),
};

const inPath = oddText.map((text) => encodeURIComponent(text.toWellFormed()).slice(0, 500));
const queue = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('mistral', 'openai-checks', 'compare', 'persist-usage') },
  { weight: 1, arbitrary: fc.oneof(fc.constantFrom('nobody', '__proto__'), inPath) },
);
const job = fc.oneof(fc.constantFrom('gen_0198c0de-0000-7000-8000-000000000001', '1', 'wait', 'meta'), inPath);
const ofQueue = fc.oneof(
  fc.constantFrom('add', 'promote', 'pause', 'resume', 'concurrency', 'rate-limit', 'rate-limit/release', 'empty'),
  fc.constantFrom('metrics', 'default-job-options', 'workers', 'rate-limit', 'job-data-schema', 'obliterate'),
  fc
    .tuple(fc.constantFrom('clean', 'retry'), fc.oneof(fc.constantFrom('completed', 'failed', 'waiting'), inPath))
    .map((parts) => parts.join('/')),
  fc.tuple(fc.constant('job-schedulers'), inPath, fc.constantFrom('', 'remove', 'run')).map((parts) => parts.join('/')),
);
const ofJob = fc.constantFrom('', 'logs', 'flow', 'retry', 'clean', 'promote', 'update-data', 'delay', 'priority');
const query = fc
  .dictionary(
    fc.constantFrom('activeQueue', 'page', 'jobsPerPage', 'status', 'sortOrder', 'granularity', 'next'),
    inPath,
  )
  .map((fields) =>
    Object.entries(fields)
      .map(([name, value]) => `${name}=${value}`)
      .join('&'),
  );

/** The pages, and Bull Board's own interface behind them. */
export const dashboardQuestions: HttpQuestions = {
  methods: ['GET', 'GET', 'POST', 'PUT', 'PATCH'],
  path: fc.oneof(
    fc.constantFrom(
      '/',
      '/healthz',
      '/login',
      '/logout',
      '/assets',
      '/assets/dashboard.css',
      '/queues',
      '/queues/static',
    ),
    fc.constantFrom('/queues/api/redis/stats', '/queues/api/job-schedulers', '/queues/api/queues/pause'),
    query.map((fields) => `/queues/api/queues?activeQueue=mistral&${fields}`),
    fc.tuple(queue, ofQueue).map(([name, what]) => `/queues/api/queues/${name}/${what}`),
    fc.tuple(queue, job, ofJob).map(([name, id, what]) => `/queues/api/queues/${name}/${id}/${what}`),
  ),
  body: fc.oneof(
    fc.constantFrom('token=x&next=//evil.example', 'token[]=1&token[]=2&__proto__[x]=1'),
    fc
      .dictionary(
        fc.constantFrom('name', 'data', 'options', 'concurrency', 'max', 'duration', 'delay', 'priority', 'jobData'),
        oddValue,
      )
      .map((fields) => JSON.stringify(fields)),
  ),
};
