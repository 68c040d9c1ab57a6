/** A placeholder, or one that is meant as it stands: `\{{name}}` comes out as `{{name}}`. */
const placeholder = /(\\?)\{\{\s*([\p{L}_][\p{L}\p{N}_.-]*)\s*\}\}/gu;

export type Variables = Readonly<Record<string, unknown>>;

/**
 * Puts variables in the place of `{{name}}`. What is not a text is written as JSON. Braces around anything but a name stay.
 *
 * @param missing takes the name of each variable that there is none of
 */
export function fillTemplate(template: string, vars: Variables, missing: (name: string) => void): string {
  return template.replaceAll(placeholder, (whole: string, escape: string, name: string) => {
    if (escape !== '') return whole.slice(1);
    if (!Object.hasOwn(vars, name)) {
      missing(name);
      return whole;
    }
    const value = vars[name];
    return typeof value === 'string' ? value : JSON.stringify(value);
  });
}
