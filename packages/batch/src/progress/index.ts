export { type BatchProgressOptions, renderBatchProgress } from './render-batch-progress.ts';
export { toLeft, toProgressLine, toSpent } from './to-progress-line.ts';
