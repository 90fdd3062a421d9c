// Holds the documents against the tree, `node docs/check.mjs`: links to files and headings resolve,
// paths between backticks exist, and the README's map has every folder.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const tracked = execFileSync('git', ['ls-files'], { encoding: 'utf8' }).split('\n').filter(Boolean);
const folders = new Set(
  tracked.filter((path) => path.includes('/')).map((path) => path.split('/')[0]),
);
const problems = [];

for (const file of tracked.filter((path) => path.endsWith('.md') && existsSync(path))) {
  const text = withoutCode(readFileSync(file, 'utf8'));
  for (const [, link] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(link)) continue;
    const [path, heading] = link.split('#');
    const target = path === '' ? file : normalize(join(dirname(file), path));
    if (!existsSync(target)) problems.push(`${file}: ${link} is not there`);
    else if (heading !== undefined && !headings(target).includes(heading))
      problems.push(`${file}: ${target} has no heading #${heading}`);
  }
  for (const [, path] of text.matchAll(/`([\w.-]+\/[\w./-]+)`/g)) {
    // As seen from the root, if it begins with one of its folders; else it may be anything.
    if (folders.has(path.split('/')[0]) && !existsSync(path) && !isMade(path))
      problems.push(`${file}: ${path} is not there`);
  }
}

const map = readFileSync('README.md', 'utf8').split('\n## Map\n')[1].split('\n## ')[0];
for (const folder of folders) {
  if (!folder.startsWith('.') && !map.includes(`\`${folder}/`))
    problems.push(`README.md: ${folder}/ is not in the map`);
}

for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;

function withoutCode(text) {
  return text.replaceAll(/^```.*?^```$/gms, '');
}

/** As GitHub names them. */
function headings(file) {
  const lines = withoutCode(readFileSync(file, 'utf8')).matchAll(/^#+ (.*)$/gm);
  return [...lines].map(([, line]) =>
    line
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** What git ignores comes with building. */
function isMade(path) {
  try {
    execFileSync('git', ['check-ignore', '--quiet', path]);
    return true;
  } catch {
    return false;
  }
}
