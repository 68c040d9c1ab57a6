export { ConfigError, type ConfigFault, requireNoFaults } from './config-fault.ts';
export { loadEnvironment, type RawEnvironment, type RuntimeEnvironment } from './env.ts';
export { checkJsonSchema, compileJsonSchema, type FindFaults, JsonSchemaError } from './json-schema.ts';
export { createLogger, type Logger, type LoggerOptions, redactSecrets } from './logger.ts';
export { isLoopbackName } from './loopback.ts';
export {
  ensureMasterKeys,
  findMasterKeys,
  isMasterKeyRotating,
  masterKeyFile,
  prepareNextMasterKey,
  replaceMasterKey,
} from './master-key.ts';
export { isProviderKey, masterKeyVariables, secretsOf, toKeyMark, withoutProviderKeys } from './secrets.ts';
export { createShutdown, exitOnUncaught, type Shutdown, type ShutdownOptions } from './shutdown.ts';
export { createMetrics, type Metrics, metricDefinitions } from './metrics.ts';
export { otherModel } from './metrics/definition.ts';
export { createTally, type Tally } from './metrics/tally.ts';
export { localTimeZone } from './time-zone.ts';
