/** The name in a `Host` header, without its port and with the brackets of an IPv6 address; undefined where there is none. */
export function parseHostHeader(header: string | undefined): string | undefined {
  return header === undefined ? undefined : /^(\[[0-9a-f:.]+\]|[^:@/?#\s]+)(?::\d+)?$/i.exec(header)?.[1];
}
