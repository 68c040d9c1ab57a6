export { ConfigError, type ConfigFault, requireNoFaults } from './config-fault.ts';
export { loadEnvironment, type RawEnvironment, type RuntimeEnvironment } from './env.ts';
export { createLogger, type Logger, type LoggerOptions, redactSecrets } from './logger.ts';
export { isLoopbackName } from './loopback.ts';
export { isProviderKey, secretsOf, withoutProviderKeys } from './secrets.ts';
export { createShutdown, exitOnUncaught, type Shutdown, type ShutdownOptions } from './shutdown.ts';
