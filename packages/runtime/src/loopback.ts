/** Whether a host name, as in an address to listen on or in a URL, can only mean this machine. */
export function isLoopbackName(name: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(name);
}
