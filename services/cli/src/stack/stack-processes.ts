import type { KeyVerdict } from '@aimm/local-stack';
import type { Logger, RawEnvironment } from '@aimm/runtime';
import { within } from '@aimm/runtime/within';
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
  /** Has workers and the HTTP front read the configuration anew; the dashboard shows what they say. */
  reload(): void;
  /**
   * Settles when a worker has reported that it works, or after `timeoutMs`: until then no model can be chosen.
   * The faces start then: side by side they would only slow the workers' start.
   */
  staffed(timeoutMs: number): Promise<void>;
  /** Settles when every process works or has failed once, or after `timeoutMs`. */
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
  /** What the HTTP front and the dashboard get beside it: asked once, right before they start. */
  faceEnvironment: () => Promise<RawEnvironment>;
  /** `shared` and the providers' credentials, as they are now. */
  workerEnvironment: () => RawEnvironment;
  onChange: () => void;
  /** A worker read the database: these providers have keys there. */
  onStoredKeys: (providers: readonly string[]) => void;
  /** A provider refused a key of the environment, or accepts it again. */
  onKey: (verdict: KeyVerdict) => void;
}): StackProcesses {
  const { logger, shared, workerEnvironment, onChange, onStoredKeys, onKey } = options;
  let stopping = false;
  const ready = new Map<string, string | undefined>();
  const reported = new Set<string>();
  const [workerReady, allReported] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const start = (name: string, args: readonly string[], more: Pick<SupervisedOptions, 'environment' | 'graceMs'>) =>
    superviseProcess({
      name,
      args: [binPath, ...args],
      logger,
      onStoredKeys,
      onKey,
      ...more,
      onReady: ({ url }) => {
        ready.set(name, url);
        if (name.startsWith('worker')) workerReady.resolve();
        report(name);
      },
      onEnd: () => {
        ready.delete(name);
        report(name);
      },
    });
  const report = (name: string) => {
    reported.add(name);
    if (reported.size === expected) allReported.resolve();
    onChange();
  };

  const workers = Array.from({ length: options.workers }, (_, index) =>
    start(`worker ${index + 1}`, ['worker'], { environment: workerEnvironment, graceMs: workerGraceMs }),
  );
  const faces: SupervisedProcess[] = [];
  const startFaces = async () => {
    const own = await options.faceEnvironment();
    if (stopping) return;
    const more = { environment: () => ({ ...shared, ...own }), graceMs };
    if (options.http) faces.push(start('HTTP front', ['mcp', '--http'], more));
    faces.push(start('dashboard', ['dashboard'], more));
  };
  const expected = workers.length + (options.http ? 2 : 1);

  return {
    urls: () => ({ dashboardUrl: ready.get('dashboard'), httpUrl: ready.get('HTTP front') }),
    problems: () => [...workers, ...faces].flatMap((child) => child.problem() ?? []),
    sendEnvironment: (environment) => {
      for (const worker of workers) worker.send({ type: 'environment', environment });
    },
    reload: () => {
      for (const child of [...workers, ...faces]) if (child.name !== 'dashboard') child.reload();
    },
    staffed: async (timeoutMs) => {
      if (workers.length > 0) await within(timeoutMs, workerReady.promise, () => undefined);
      if (!stopping) await startFaces();
    },
    settled: (timeoutMs) => within(timeoutMs, allReported.promise, () => undefined),
    stop: async () => {
      stopping = true;
      await Promise.all(workers.map((child) => child.stop()));
      await Promise.all(faces.map((child) => child.stop()));
    },
  };
}
