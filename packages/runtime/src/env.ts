import { resolve } from 'node:path';
import envPaths from 'env-paths';
import * as z from 'zod';
import type { ConfigFault } from './config-fault.ts';

/** What the environment as a whole may hold; what belongs to a provider (`OPENAI_RPM`, …) is the catalog's to read. */
export type RawEnvironment = Readonly<Record<string, string | undefined>>;

const port = z.coerce
  .number<string>('a port from 0 to 65535')
  .int('a port from 0 to 65535')
  .min(0, 'a port from 0 to 65535')
  .max(65_535, 'a port from 0 to 65535');
const noHome = 'an absolute path: ~ is not expanded here';
const folder = z.string().regex(/^(?!~(\/|$))/, noHome);
/** Programs take an address without a scheme for one of HTTP. */
const proxy = z
  .string()
  .transform((address) => (address.includes('://') ? address : `http://${address}`))
  .refine(isProxyUrl, 'http://proxy:3128 or http://user:password@proxy:3128');
const count = z.coerce.number<string>('a whole number').int('a whole number');

const Environment = z.object({
  REDIS_URL: z
    .string()
    .regex(/^(rediss?:\/\/|unix:\/).+/, 'redis://host:6379, rediss://… or unix:/path/to/socket')
    .refine(canBeDecoded, 'an address in which a % of the password is written %25')
    .optional(),
  DATABASE_URL: z
    .string()
    .regex(/^(file:|postgres(ql)?:\/\/).+/, 'postgresql://… or file:/path/to/database')
    .regex(/^(?!file:~)/, noHome)
    .optional(),
  AIMM_DATA_DIR: folder.optional(),
  AIMM_CONFIG_DIR: folder.optional(),
  AIMM_AUTH_TOKEN: z.string().min(16, 'at least 16 characters').optional(),
  AIMM_REQUIRE_TOKEN: z.enum(['on', 'off'], 'on or off').default('off'),
  AIMM_MASTER_KEY: z.string().min(16, 'at least 16 characters').optional(),
  /** What `aimm keys rotate` is to put in its place; workers that have both open keys under either. */
  AIMM_NEW_MASTER_KEY: z.string().min(16, 'at least 16 characters').optional(),
  AIMM_DEMO: z.enum(['auto', 'on', 'off'], 'auto, on or off').default('auto'),
  AIMM_IDLE_SECONDS: count.min(1, 'at least 1').default(300),
  AIMM_MAX_PROMPT_BYTES: count.min(1, 'at least 1').default(1_000_000),
  /** On the way to providers. */
  HTTPS_PROXY: proxy.optional(),
  HTTP_PROXY: proxy.optional(),
  NO_PROXY: z.string().optional(),
  HTTP_HOST: z.string().default('127.0.0.1'),
  HTTP_PORT: port.default(3920),
  DASHBOARD_HOST: z.string().default('127.0.0.1'),
  DASHBOARD_PORT: port.default(3921),
  WORKER_COUNT: count.min(0, 'a whole number from 0').max(64, 'at most 64').default(1),
  WORKER_PROVIDERS: z
    .string()
    .transform((text) =>
      text
        .split(',')
        .map((id) => id.trim())
        .filter((id) => id !== ''),
    )
    .optional(),
  /** How long a worker that went silent keeps its jobs before another takes them up. */
  AIMM_LOCK_SECONDS: count.min(2, 'at least 2').max(3_600, 'at most 3600').default(30),
  /** After how long a batch at a vendor's batch API is asked after first; then ever more rarely, up to twenty times as long. */
  AIMM_BATCH_POLL_SECONDS: count.min(1, 'at least 1').max(3_600, 'at most 3600').default(30),
  /** The ledger's rows are deleted after so many days; their sums stay. Unset: never. */
  USAGE_RETENTION_DAYS: count.min(1, 'at least 1').max(36_500, 'at most 36500').optional(),
  /** Batches are deleted with prompts and answers so many days after they ended; their calls stay in the ledger. Unset: never. */
  BATCH_RETENTION_DAYS: count.min(1, 'at least 1').max(36_500, 'at most 36500').optional(),
  /** off: prompts and answers are kept for the life of their job only. */
  STORE_CONTENT: z.enum(['on', 'off'], 'on or off').default('on'),
  /** How long an answer can be read after its request has ended, with STORE_CONTENT=off. */
  CONTENT_DELIVERY_SECONDS: count.min(1, 'at least 1').max(86_400, 'at most 86400').default(60),
  LOG_LEVEL: z
    .enum(
      ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
      'trace, debug, info, warn, error, fatal or silent',
    )
    .default('info'),
  LOG_FORMAT: z.enum(['json', 'pretty'], 'json or pretty').default(process.stderr.isTTY ? 'pretty' : 'json'),
});
type Environment = z.infer<typeof Environment>;

/** Redis' client decodes the address, and throws where that fails. */
function canBeDecoded(url: string): boolean {
  try {
    return url.startsWith('unix:') || decodeURIComponent(url) !== '';
  } catch {
    return false;
  }
}

function isProxyUrl(address: string): boolean {
  try {
    const { protocol, username, password } = new URL(address);
    return /^https?:$/.test(protocol) && decodeURIComponent(`${username}:${password}`) !== '';
  } catch {
    return false;
  }
}

/** These are written both ways, and where both are set programs go by the small letters. */
const lowerCaseToo = ['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY'];

function withUpperCase(raw: RawEnvironment): RawEnvironment {
  const written = lowerCaseToo.map((name) => [name, raw[name.toLowerCase()] || raw[name]]);
  return { ...raw, ...Object.fromEntries(written) };
}

/** The process's own settings, validated. Paths are absolute. */
export interface RuntimeEnvironment extends Environment {
  dataDir: string;
  configDir: string | undefined;
}

/** A file means the same in every folder. */
function toAbsoluteUrl(url: string): string {
  return url.startsWith('file:') ? `file:${resolve(url.slice('file:'.length))}` : url;
}

/** Reads the process's environment. An empty value counts as unset. All faults come back at once. */
export function loadEnvironment(raw: RawEnvironment = process.env): {
  env: RuntimeEnvironment;
  raw: RawEnvironment;
  faults: ConfigFault[];
} {
  const set = Object.fromEntries(
    Object.entries(withUpperCase(raw)).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = Environment.safeParse(set);
  const faults = (parsed.error?.issues ?? []).map((issue) => ({
    source: 'environment',
    path: String(issue.path[0] ?? ''),
    expected: issue.message,
  }));
  // What is at fault counts as unset: the rest still says where the other files are, whose faults are told with these.
  const atFault = new Set(faults.map(({ path }) => path));
  const sound = Object.fromEntries(Object.entries(set).filter(([name]) => !atFault.has(name)));
  const env = parsed.data ?? Environment.parse(sound);
  return {
    raw: set,
    faults,
    env: {
      ...env,
      ...(env.DATABASE_URL !== undefined && { DATABASE_URL: toAbsoluteUrl(env.DATABASE_URL) }),
      dataDir:
        env.AIMM_DATA_DIR === undefined
          ? envPaths('ai-model-manager', { suffix: '' }).data
          : resolve(env.AIMM_DATA_DIR),
      configDir: env.AIMM_CONFIG_DIR === undefined ? undefined : resolve(env.AIMM_CONFIG_DIR),
    },
  };
}
