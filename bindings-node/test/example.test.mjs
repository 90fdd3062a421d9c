import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { folder, isBun, repository, run } from './helpers.mjs';

const MAIN = join(repository, 'examples/bun/first-service/main.ts');

async function transcript(place) {
  const { code, stdout, stderr } = await run([MAIN, place]);
  assert.equal(stderr, '');
  assert.equal(code, 0, stdout);
  return stdout;
}

test('the first service: what a newcomer reads, twice', { skip: !isBun }, async () => {
  const place = folder();
  const first = await transcript(place);
  let at = 0;
  for (const words of [
    '1. The certificate authority',
    'A new one was made',
    'Status: healthy',
    'spiffe://demo.example.com/orchestrator/node-a.example.com, valid until',
    'spiffe://demo.example.com/auth/auth-a, valid until',
    'the orchestrator reached spiffe://demo.example.com/auth/auth-a',
    'auth-a was called by     spiffe://demo.example.com/orchestrator/node-a.example.com',
    'and was answered: Hello, node-a.example.com.',
    'looking for another server, is refused: PKI_UNEXPECTED_PEER',
    'a node, which auth-a does not serve, is refused: the other side closed the connection',
    'it calls auth-a and is refused: the other side closed the connection',
    'verified by itself, is refused: PKI_UNTRUSTED_ISSUER',
    'PKI_UNEXPECTED_PEER: Unexpected peer: spiffe://demo.example.com/node/node-b.example.com',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'spiffe://demo.example.com/node/node-b.example.com is denied; 1 of its certificates',
    'PKI_IDENTITY_DENIED: Identity denied: spiffe://demo.example.com/node/node-b.example.com',
    'Allowed again, it gets one',
    'Done. 5 certificates',
  ]) {
    const found = first.indexOf(words, at);
    assert.notEqual(
      found,
      -1,
      `"${words}" is not in the transcript, or not in its place:\n${first}`,
    );
    at = found + words.length;
  }
  assert.doesNotMatch(first, /PRIVATE KEY|NOT refused/);

  const second = await transcript(place);
  assert.match(second, /The database of an earlier run is used again/);
  assert.match(second, /It has 5 certificates that are still valid/);
  assert.match(second, /Done\. 10 certificates/);
  const root = /root (\S{43})\n/;
  assert.equal(second.match(root)[1], first.match(root)[1]);
});
