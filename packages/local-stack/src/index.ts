export { readBuild } from './build.ts';
export {
  ChildMessage,
  KeyVerdict,
  leaveWithParent,
  onProviderEnvironment,
  ParentMessage,
  reportKey,
  reportReady,
  reportStoredKeys,
} from './child-process.ts';
export { type LostReason, StackStartError } from './control-connection.ts';
export { findRedisServer } from './find-redis-server.ts';
export { findStack, type FoundStack, lookForStack, startPatienceMs } from './find-stack.ts';
export { joinStack, type JoinOptions, type StackConnection } from './join-stack.ts';
export type { StackLaunch } from './launch-stack.ts';
export { createMessageSocket, type MessageSocket } from './message-socket.ts';
export { ClientMessage, StackInfo, StackMessage } from './protocol.ts';
export { ensureStackDirectories, type StackPaths, toStackPaths } from './stack-paths.ts';
export { toStackSettings } from './stack-settings.ts';
export { version } from './version.ts';
export { withStackSettings } from './with-stack-settings.ts';
