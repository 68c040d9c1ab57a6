import type { Logger, RawEnvironment } from '@aimm/runtime';
import { binPath } from './bin-path.ts';
import { superviseProcess, type SupervisedOptions, type SupervisedProcess } from './supervised-process.ts';

/** A worker finishes its calls before it leaves; the others have little to finish. */
const workerGraceMs = 35_000;
const graceMs = 10_000;

/** The stack's child processes: workers, the dashboard, and where wanted the HTTP front. */
export interface StackProcesses {
  urls(): { dashboardUrl?: string | undefined; httpUrl?: string | undefined };
  problems(): string[];
  /** Gives the workers new credentials without a restart. */
  sendEnvironment(environment: Record<string, string>): void;
  /** Settles when a worker has reported that it works, or after `timeoutMs`: until then no model can be chosen. */
  staffed(timeoutMs: number): Promise<void>;
  /** Settles when every process has reported that it works, or after `timeoutMs`. */
  settled(timeoutMs: number): Promise<void>;
  /** Workers first: while they hand back what they did not finish, the faces still answer. */
  stop(): Promise<void>;
}

export function startStackProcesses(options: {
  logger: Logger;
  workers: number;
  http: boolean;
  /** What every process gets; holds no key of a provider. */
  shared: RawEnvironment;
  /** `shared` and the providers' credentials, as they are now. */
  workerEnvironment: () => RawEnvironment;
  onChange: () => void;
}): StackProcesses {
  const { logger, shared, workerEnvironment, onChange } = options;
  const ready = new Map<string, string | undefined>();
  const [workerReady, allReady] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const all: SupervisedProcess[] = [];
  const start = (name: string, args: readonly string[], more: Pick<SupervisedOptions, 'environment' | 'graceMs'>) =>
    superviseProcess({
      name,
      args: [binPath, ...args],
      logger,
      ...more,
      onReady: ({ url }) => {
        ready.set(name, url);
        if (name.startsWith('worker')) workerReady.resolve();
        if (ready.size === all.length) allReady.resolve();
        onChange();
      },
      onEnd: onChange,
    });

  const workers = Array.from({ length: options.workers }, (_, index) =>
    start(`worker ${index + 1}`, ['worker'], { environment: workerEnvironment, graceMs: workerGraceMs }),
  );
  const faces = [
    start('dashboard', ['dashboard'], { environment: () => shared, graceMs }),
    ...(options.http ? [start('HTTP front', ['mcp', '--http'], { environment: () => shared, graceMs })] : []),
  ];
  all.push(...workers, ...faces);

  return {
    urls: () => ({ dashboardUrl: ready.get('dashboard'), httpUrl: ready.get('HTTP front') }),
    problems: () => all.flatMap((child) => child.problem() ?? []),
    sendEnvironment: (environment) => {
      for (const worker of workers) worker.send({ type: 'environment', environment });
    },
    staffed: (timeoutMs) => (workers.length === 0 ? Promise.resolve() : within(workerReady.promise, timeoutMs)),
    settled: (timeoutMs) => within(allReady.promise, timeoutMs),
    stop: async () => {
      await Promise.all(workers.map((child) => child.stop()));
      await Promise.all(faces.map((child) => child.stop()));
    },
  };
}

async function within(promise: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)));
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
