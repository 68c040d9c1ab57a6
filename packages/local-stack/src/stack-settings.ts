import { loadEnvironment, type RawEnvironment } from '@aimm/runtime';

/** What is the stack's to say, whatever a client that joins it has. None of it is secret. */
const names = [
  'WORKER_COUNT',
  'WORKER_PROVIDERS',
  'AIMM_DEMO',
  'AIMM_IDLE_SECONDS',
  'AIMM_LOCK_SECONDS',
  'AIMM_BATCH_POLL_SECONDS',
  'USAGE_RETENTION_DAYS',
  'BATCH_RETENTION_DAYS',
  'CONTENT_DELIVERY_SECONDS',
  'DASHBOARD_HOST',
  'DASHBOARD_PORT',
] as const;
/** Without the user name and password. */
const proxies = ['HTTPS_PROXY', 'HTTP_PROXY'] as const;
/** Of each provider; workers keep them. */
const limit = /_(CONCURRENCY|RPM|TPM)$/;
/** Of each provider, and of all calls together; fronts and workers keep them. */
const budget = /(^|_)BUDGET_USD_PER_(DAY|MONTH)$/;

export function isBudgetVariable(name: string): boolean {
  return budget.test(name);
}

/** What an environment says of these, by name; where it says nothing the default. */
export function toStackSettings(raw: RawEnvironment): Record<string, string> {
  const { env } = loadEnvironment(raw);
  const settings = [
    ...names.map((name) => [name, env[name]] as const),
    ...proxies.map((name) => [name, withoutUser(env[name])] as const),
    ['AIMM_CONFIG_DIR', env.configDir] as const,
    ...Object.entries(raw).filter(([name]) => limit.test(name) || isBudgetVariable(name)),
  ];
  return Object.fromEntries(
    settings.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [[name, String(value)]])),
  );
}

function withoutUser(proxy: string | undefined): string | undefined {
  return proxy === undefined ? undefined : Object.assign(new URL(proxy), { username: '', password: '' }).href;
}

/** Which of a client's settings a stack with others takes no notice of. */
export function findIneffective(raw: RawEnvironment, settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(toStackSettings(raw)).flatMap(([name, value]) => {
    const isSet = raw[name] !== undefined && raw[name] !== '';
    return isSet && settings[name] !== value ? [`${name}=${value} (the stack has ${settings[name] ?? 'none'})`] : [];
  });
}
