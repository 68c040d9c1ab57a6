/** Whether it is the IANA name of a time zone that this machine knows. */
export function isTimeZone(name: string): boolean {
  try {
    // Offsets such as +02:00 are taken as well, and are no zone: they know no summer.
    return !/^[+-]/.test(name) && new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
