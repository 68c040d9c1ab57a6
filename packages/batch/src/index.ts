export { AssertionInput, parseAssertion } from './assertions/assertion-input.ts';
export { type AssertionChecks, createAssertionChecks } from './assertions/checks.ts';
export { type AssertedAnswer, evaluateAssertions, toAssertionNames } from './assertions/evaluate-assertions.ts';
export { openWhenRead } from './read/open-when-read.ts';
export {
  type BatchFile,
  type BatchFileFormat,
  parseBatchFile,
  type ParseBatchOptions,
} from './read/parse-batch-file.ts';
export { ItemInput } from './read/item-input.ts';
export { type BatchResult, toColumnLabel } from './results/batch-result.ts';
export { type RenderOptions, renderResults, type ResultsFormat, resultsFormats } from './results/render-results.ts';
