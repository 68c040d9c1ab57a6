import { closeSync, fsyncSync, openSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConfigFault } from './catalog.ts';
import { ModelsFile } from './config-schemas.ts';
import { defaultConfigDir } from './load-catalog.ts';
import { readConfigFile } from './read-config-file.ts';

/** config/models.json as it stands; `file` is absent where there are faults. */
export function readModelsFile(configDir = defaultConfigDir): {
  path: string;
  file?: ModelsFile;
  faults: ConfigFault[];
} {
  const { source, raw, value, faults } = readConfigFile(join(configDir, 'models.json'), ModelsFile);
  // As it was read, since parsing puts the fields in the schema's order; the schema changes nothing else.
  return { path: source, faults, ...(value !== undefined && { file: raw as ModelsFile }) };
}

/**
 * Replaces the file as a whole: whoever reads it meanwhile, or after a power cut, reads the old one or the new one. A link
 * stays one.
 *
 * @throws what the file system says; the file is as it was then
 */
export function writeModelsFile(path: string, file: ModelsFile): void {
  ModelsFile.parse(file);
  const text = formatModelsFile(file);
  const target = realpathSync(path);
  const beside = `${target}.${process.pid}.tmp`;
  try {
    const handle = openSync(beside, 'w');
    try {
      writeFileSync(handle, text);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(beside, target);
  } finally {
    rmSync(beside, { force: true });
  }
}

const lineWidth = 120;

/** JSON as the formatter of this repository lays it out: lists of plain values on one line where they fit. */
export function formatModelsFile(file: ModelsFile): string {
  return `${formatValue(file, '', 0)}\n`;
}

function formatValue(value: unknown, indent: string, taken: number): string {
  if (Array.isArray(value)) {
    const isPlain = value.every((item) => typeof item !== 'object' || item === null);
    const line = `[${value.map((item) => JSON.stringify(item)).join(', ')}]`;
    if (isPlain && taken + line.length + 1 <= lineWidth) return line;
    return wrap(
      '[',
      value.map((item) => formatValue(item, `${indent}  `, indent.length + 2)),
      ']',
      indent,
    );
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).flatMap(([key, field]) => {
    const name = `${JSON.stringify(key)}: `;
    return field === undefined ? [] : [`${name}${formatValue(field, `${indent}  `, indent.length + 2 + name.length)}`];
  });
  return wrap('{', fields, '}', indent);
}

function wrap(open: string, items: readonly string[], close: string, indent: string): string {
  if (items.length === 0) return `${open}${close}`;
  return `${open}\n${items.map((item) => `${indent}  ${item}`).join(',\n')}\n${indent}${close}`;
}
