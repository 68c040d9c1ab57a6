/** A placeholder, or one that is meant as it stands: `\{{name}}` comes out as `{{name}}`. */
const placeholder = /(\\?)\{\{\s*([\p{L}_][\p{L}\p{N}_.-]*)\s*\}\}/gu;

export type Variables = Readonly<Record<string, unknown>>;

/**
 * Puts variables in the place of `{{name}}`, and what stands in them in that of `{{name.field}}`. What is not a text is written as
 * JSON. Braces around anything but a name stay.
 *
 * @param missing takes the name of each variable that there is none of
 * @param write how a value is written where it goes
 */
export function fillTemplate(
  template: string,
  vars: Variables,
  missing: (name: string) => void,
  write: (value: string) => string = (value) => value,
): string {
  return template.replaceAll(placeholder, (whole: string, escape: string, name: string) => {
    if (escape !== '') return whole.slice(1);
    const value = findValue(vars, name);
    if (value === undefined) {
      missing(name);
      return whole;
    }
    return write(typeof value === 'string' ? value : JSON.stringify(value));
  });
}

/** A name may have dots itself, as a column's heading: that goes first. */
function findValue(within: unknown, name: string): unknown {
  if (typeof within !== 'object' || within === null) return undefined;
  if (Object.hasOwn(within, name)) return (within as Variables)[name]; // it has it, whatever it is
  const dot = name.indexOf('.');
  if (dot < 0 || !Object.hasOwn(within, name.slice(0, dot))) return undefined;
  return findValue((within as Variables)[name.slice(0, dot)], name.slice(dot + 1)); // the same
}
