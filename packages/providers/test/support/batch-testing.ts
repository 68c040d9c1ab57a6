export { type BatchServer, type Fate, noRoom, startBatchServer } from './batch-server.ts';
export { type BatchKind, wholeWires } from './batch-wires.ts';
