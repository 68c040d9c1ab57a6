import { isatty } from 'node:tty';

/** Whether SIGHUP says that the terminal has gone. In the background, under nohup or systemd there is none to go. */
export function hasTerminal(): boolean {
  return [0, 1, 2].some((descriptor) => isatty(descriptor));
}

/** What ends a stack. Without a terminal SIGHUP does not: it has the configuration read anew, as daemons do. */
export function stopSignals(): readonly NodeJS.Signals[] {
  return hasTerminal() ? ['SIGTERM', 'SIGINT', 'SIGHUP'] : ['SIGTERM', 'SIGINT'];
}
