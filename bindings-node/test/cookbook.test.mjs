// docs/cookbook.md holds what the programs hold, word for word.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { explainTlsError } from '@catalyst/pki';
import { blocks, cookbook, regions } from './cookbook.mjs';
import { repository } from './helpers.mjs';

const PROGRAMS = ['examples/bun/first-service', 'examples/bun/recipes'].flatMap((folder) =>
  readdirSync(join(repository, folder))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`),
);

test('each code block is the region of a program that is run', () => {
  const code = blocks.filter(({ language }) => language !== 'sh' && language !== 'text');
  assert.ok(code.length >= 10);
  for (const { source, language, text } of code) {
    assert.equal(language, 'ts');
    assert.ok(source, `no comment says where this is from:\n${text}`);
    const [file, region] = source.split('#');
    assert.ok(PROGRAMS.includes(file), `${file} is no program that is run`);
    assert.equal(text, regions(file).get(region), `${source} has changed: copy it to the cookbook`);
  }
});

test('each region of a program is in the cookbook', () => {
  const shown = new Set(blocks.map(({ source }) => source));
  for (const file of PROGRAMS) {
    const marks = readFileSync(join(repository, file), 'utf8').match(/#region/g) ?? [];
    const names = [...regions(file).keys()];
    assert.equal(names.length, marks.length, `a region of ${file} has no name or no end`);
    for (const name of names)
      assert.ok(shown.has(`${file}#${name}`), `${file}#${name} is not shown`);
  }
});

test('the error table says what explainTlsError says', () => {
  const row = /^\| `([A-Za-z0-9_]+)`(?:, "(.*?)")? \| `([a-z-]+)` \| (.*) \|$/gm;
  const rows = [...cookbook.matchAll(row)];
  assert.ok(rows.length >= 20);
  for (const [, code, message, kind, fix] of rows) {
    const explained = explainTlsError({ code });
    assert.deepEqual({ kind, fix }, { kind: explained.kind, fix: explained.fix }, code);
    if (message !== undefined) assert.equal(explainTlsError(message).kind, kind, message);
  }
});

for (const [page, least] of [
  ['docs/cookbook.md', 15],
  ['bindings-node/README.md', 3],
]) {
  test(`links in ${page} lead somewhere`, () => {
    const links = [...read(page).matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link);
    assert.ok(links.length >= least);
    for (const link of links) {
      const [path, heading] = link.split('#');
      const target = path === '' ? page : join(dirname(page), path);
      assert.ok(existsSync(join(repository, target)), link);
      if (heading !== undefined) assert.ok(headings(target).includes(heading), link);
    }
  });
}

/** What the headings of a page are called in links. */
function headings(page) {
  return [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    title
      .toLowerCase()
      .replaceAll(/[^a-z0-9 -]/g, '')
      .replaceAll(' ', '-'),
  );
}

function read(page) {
  return readFileSync(join(repository, page), 'utf8');
}
