// Reads docs/cookbook.md.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './helpers.mjs';

export const cookbook = readFileSync(join(repository, 'docs/cookbook.md'), 'utf8');

/**
 * The fenced blocks, each with its language, its text and what the comment above it says: where a
 * program's region is (`file#region`), or whose output it is (`file prints`).
 */
export const blocks = [...cookbook.matchAll(/(?:<!-- (.*) -->\n)?```(\w*)\n([\s\S]*?)```\n/g)].map(
  ([, source, language, text]) => ({ source, language, text }),
);

/** What the cookbook says that a program prints, if it does. */
export function printed(file) {
  return blocks.find(({ source }) => source === `${file} prints`)?.text;
}

/** The regions of a program by name. */
export function regions(file) {
  const program = readFileSync(join(repository, file), 'utf8');
  const found = program.matchAll(/^\/\/ #region (\S+)\n([\s\S]*?)^\/\/ #endregion\n/gm);
  return new Map([...found].map(([, name, text]) => [name, text]));
}
