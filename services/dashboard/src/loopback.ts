/** Whether a host name, as in an address to listen on or in a URL, can only mean this machine. */
export function isLoopbackName(name: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(name);
}

/** The name in a `Host` header, without its port and with the brackets of an IPv6 address; undefined where there is none. */
export function parseHostHeader(header: string | undefined): string | undefined {
  return header === undefined ? undefined : /^(\[[0-9a-f:.]+\]|[^:@/?#\s]+)(?::\d+)?$/i.exec(header)?.[1];
}
