/** Loaded into a process before its own code (`--import`): its wall clock jumps when its parent says so. Timers do not. */
let offsetMs = 0;
const RealDate = Date;
const readClock = Date.now.bind(Date);

class JumpingDate extends RealDate {
  constructor(given?: string | number | Date) {
    super(given ?? JumpingDate.now());
  }
  static override now(): number {
    return readClock() + offsetMs;
  }
}
globalThis.Date = JumpingDate as DateConstructor;

process.on('message', (message: { type?: string; offsetMs?: number }) => {
  if (message.type === 'clock') offsetMs = message.offsetMs ?? 0;
});
