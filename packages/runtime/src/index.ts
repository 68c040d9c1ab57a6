export { ConfigError, type ConfigFault, requireNoFaults } from './config-fault.ts';
export { loadEnvironment, type RawEnvironment, type RuntimeEnvironment } from './env.ts';
export { checkJsonSchema, compileJsonSchema, type FindFaults, JsonSchemaError } from './json-schema.ts';
export { createLogger, type Logger, type LoggerOptions, redactSecrets } from './logger.ts';
export { isLoopbackName } from './loopback.ts';
export { ensureMasterKey, findMasterKey, masterKeyFile } from './master-key.ts';
export { isProviderKey, secretsOf, withoutProviderKeys } from './secrets.ts';
export { createShutdown, exitOnUncaught, type Shutdown, type ShutdownOptions } from './shutdown.ts';
export { isTimeZone, localTimeZone } from './time-zone.ts';
