import type { WaitView } from '@aimm/manager';
import { formatOrdinal, formatSeconds, toIsoTime } from './units.ts';

/** A place in a queue: `next in line`, or `12th of 40 in line, about 35 s`. */
export function formatPlace({
  position = 1,
  inLine,
  estimatedWaitMs,
  waitingFor,
  waitingUntil,
}: Partial<WaitView>): string {
  const among = inLine === undefined || inLine < position ? '' : ` of ${inLine}`;
  const place = position <= 1 ? 'next in line' : `${formatOrdinal(position)}${among} in line`;
  const until = waitingUntil === undefined ? '' : `; ${nameOf(waitingFor)} until ${toIsoTime(waitingUntil)}`;
  return `${place}${formatEstimate(estimatedWaitMs)}${until}`;
}

/** How a job waits that has no place: it is put aside for a time. */
export function formatPutAside({ estimatedWaitMs, waitingFor, waitingUntil }: Partial<WaitView>): string {
  const until = waitingUntil === undefined ? '' : ` until ${toIsoTime(waitingUntil)}`;
  return `${nameOf(waitingFor)}${until}${formatEstimate(estimatedWaitMs)}`;
}

/** Below a second nobody plans with it. */
function formatEstimate(ms: number | undefined): string {
  return ms === undefined || ms < 1_000 ? '' : `, about ${formatSeconds(Math.round(ms / 1_000) * 1_000)}`;
}

function nameOf(waitingFor: WaitView['waitingFor'] = 'queue'): string {
  switch (waitingFor) {
    case 'queue':
      return 'in line';
    case 'rate_limit':
      return 'held by a limit';
    case 'provider':
      return 'paused by its provider';
    case 'retry':
      return 'to be tried again, waiting';
  }
}
