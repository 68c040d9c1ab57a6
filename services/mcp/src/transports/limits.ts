/** Longest message: images come in it as base64. */
export const maxMessageBytes = 32 * 1024 * 1024;

/** Levels of JSON inside each other; tools set narrower limits of their own. */
export const maxMessageDepth = 500;

/**
 * For a client that does not say what it wants; Node would wait 60 s, and look 30 s later. Bodies may take minutes. Between two calls
 * a connection stays open for longer than balancers keep theirs: Node would close it after 5 s, maybe under the next call.
 */
export const patience = { headersTimeout: 10_000, connectionsCheckingInterval: 1_000, keepAliveTimeout: 75_000 };

export const oversizedMessage = 'The message is too large: the limit is 32 MB. Send fewer or smaller images.';

export const invalidMessage =
  'Invalid request: expected one JSON-RPC 2.0 message with jsonrpc, id, method and, where there are any, params as an object whose _meta holds a progressToken that is a text or a whole number. Send messages one by one, not as a batch.';
