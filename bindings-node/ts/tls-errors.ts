import type { Rule, TlsErrorKind } from './tls-error-rules.js';

export type { TlsErrorKind } from './tls-error-rules.js';

/** What {@link explainTlsError} answers. Its texts are fixed: nothing of the error is repeated in them. */
export interface TlsErrorExplanation {
  /** What kind of thing went wrong. */
  kind: TlsErrorKind;
  /** The code that was recognised (`CERT_HAS_EXPIRED`, `PKI_UNEXPECTED_PEER`), or `null`. */
  code: string | null;
  /** What the error means. */
  meaning: string;
  /** What it usually comes from, the likeliest first. */
  causes: string[];
  /** What to do. */
  fix: string;
}

/**
 * Says in words what a TLS error of Bun or Node means, what it usually comes from and what to do.
 *
 * Takes whatever was thrown or reported: by `fetch`, by the `error` or `close` event of a
 * `WebSocket`, by `node:tls`, `node:https`, `node:http2` or `Bun.serve`, or by this package in
 * `checkServerIdentity`; it looks into `cause` too. Never throws. The answer repeats nothing of the
 * error but a code that is known, so it can be logged wherever the error can't.
 *
 * @param error what was thrown
 *
 * @example
 * ```ts
 * try {
 *   await fetch(url, { tls });
 * } catch (error) {
 *   const { kind, meaning, fix } = explainTlsError(error);
 *   console.error(`${kind}: ${meaning} ${fix}`);
 * }
 * ```
 */
export function explainTlsError(error: unknown): TlsErrorExplanation {
  const signs = signsOf(error);
  const kind = kindOf(signs);
  const { meaning, causes, fix } = TEXTS[kind];
  return { kind, code: codeOf(signs, kind), meaning, causes: [...causes], fix };
}

interface Text {
  meaning: string;
  causes: string[];
  fix: string;
}

const TEXTS: Record<TlsErrorKind, Text> = {
  'issuer-unknown': {
    meaning: 'The peer sent a certificate whose issuer is not among those that this side trusts.',
    causes: [
      'the `ca` option is missing or empty (`[]`, `null` and `undefined` all mean the public roots)',
      'the `ca` option holds the CA of another mesh, or of the other segment (an Envoy calls the control plane, or the other way round)',
      'the CA was made anew or rotated, and this side has the earlier bundle',
      '`ca` holds the root alone, and `allowPartialTrustChain` is on, and the peer sent no intermediate',
    ],
    fix: "Set `ca` to the segment's anchors of the bundle (`servicesAnchors` or `transportAnchors`) with `allowPartialTrustChain: true`, and fetch the bundle again if it is old.",
  },
  'issuer-incomplete': {
    meaning:
      'The issuer was found, but it is no root, and the chain does not go on from there to one.',
    causes: [
      '`ca` holds an intermediate alone, without `allowPartialTrustChain: true`; curl takes such a `--cacert`, Bun and Node do not by themselves',
    ],
    fix: 'Add `allowPartialTrustChain: true` beside `ca`. Do not add the root to the anchors of a server: it lets the other segment in.',
  },
  'issuer-not-sent': {
    meaning:
      "The chain ends at the peer's own certificate: its issuer was neither sent nor is it known here.",
    causes: [
      'the peer sends its own certificate without the intermediate that signed it',
      'this side has only the root in `ca`',
      'in Bun also a self-signed certificate with a key usage that does not allow signing certificates',
    ],
    fix: 'On the peer set `cert` to one PEM text, its certificate and then the intermediate: `certificatePem + chain[0]`. On this side, have the intermediates in `ca` with `allowPartialTrustChain: true`.',
  },
  'self-signed': {
    meaning: "The peer's certificate is signed by itself, and this side does not trust it.",
    causes: [
      'a certificate made by hand for a test',
      'a default certificate of a proxy or appliance that answers in place of the service',
    ],
    fix: 'Have the CA issue a certificate for the service. For a test, put that certificate itself in `ca`. Do not switch `rejectUnauthorized` off.',
  },
  'root-unknown': {
    meaning: 'The peer sent a whole chain, and its root is not trusted here.',
    causes: [
      'the `ca` option is missing: the public roots do not know a private CA',
      'the peer sends the root too, which a TLS server need not and should not do',
    ],
    fix: "Set `ca` to the segment's anchors of the bundle with `allowPartialTrustChain: true`. On the peer, send its certificate and the intermediate, without the root.",
  },
  expired: {
    meaning: 'A certificate in the chain has expired.',
    causes: [
      'the service that presents it has not been renewed, or was renewed but goes on with the old one (`server.reload` keeps it)',
      'the clock of this machine is wrong',
      'the intermediate itself has expired',
    ],
    fix: 'Renew at half of its life (`renewAfter`) and put the new certificate into the running server, for example by `setSecureContext`. Compare the clocks.',
  },
  'not-yet-valid': {
    meaning: 'A certificate in the chain is not valid yet.',
    causes: [
      'the clock of this machine is behind, or that of the CA is ahead',
      'a machine that was suspended or restored has not set its clock yet',
    ],
    fix: 'Set the clocks by NTP on both machines. If it was the clock of the CA that was wrong, have the certificate issued again.',
  },
  'name-mismatch': {
    meaning: 'The certificate is trusted, but it is not for the name that was called.',
    causes: [
      'the service was called by an IP address or by a name that its certificate does not have',
      "in Bun's WebSocket, `checkServerIdentity` refused the peer: its error is reported under this name",
    ],
    fix: 'In a mesh, check the SPIFFE ID instead of the host name: give a `checkServerIdentity` that calls `verifyPeerSync`. Else call a name that the certificate has, or ask for it with `dns` in the request.',
  },
  'name-constraint': {
    meaning: 'A CA in the chain may not sign certificates with these names.',
    causes: [
      'an intermediate of the earlier TypeScript package: it constrains URIs in a form that no TLS stack accepts',
      'the certificate has a URI of another trust domain, or a DNS name outside of the configured ones',
    ],
    fix: "Look at the CA's status: if it warns of a legacy intermediate, rotate that. Else ask for names within the trust domain.",
  },
  'wrong-usage': {
    meaning: 'The certificate may not be used in this role.',
    causes: [
      "a gateway's certificate, which is for servers only, was presented by a client",
      "a CA certificate is used as a server's or client's own",
      "a service's own certificate was used to sign another",
    ],
    fix: 'Present a certificate whose service type fits: all but `gateway` may be clients.',
  },
  'bad-signature': {
    meaning: 'The signature of a certificate does not fit its issuer.',
    causes: [
      'the CA was made anew under the same name, and one side has the earlier one',
      'the certificate was changed on its way',
    ],
    fix: 'Fetch the bundle again on both sides, and have a new certificate issued.',
  },
  'issuer-not-allowed': {
    meaning: 'A certificate in the chain was signed by one that may not sign it.',
    causes: [
      'a CA was put below an intermediate that may have none below it, as those of this package may not',
      'a CA certificate made by hand lacks `CA:TRUE` or the key usage for signing certificates',
    ],
    fix: 'Have the certificate issued by an intermediate of the CA itself, and send that one along.',
  },
  'chain-rejected': {
    meaning: 'A certificate in the chain breaks a rule that the code names.',
    causes: [
      'the chain is longer than this side follows, or goes round in a circle',
      "this machine's trust store marks the CA as one that is not trusted for TLS",
      'a certificate made by hand has an extension or a date that is no good, or too short a key',
    ],
    fix: 'Look at each certificate of the chain with `openssl x509 -text`. Have the wrong one issued by the CA, or take the mark off the trust store.',
  },
  revoked: {
    meaning: 'The peer, its certificate or its CA has been denied or revoked.',
    causes: ['an operator denied the identity or the serial number, or revoked the CA'],
    fix: 'If that was meant, nothing. Else allow the identity again at the CA (`allowIdentity`), or issue a new certificate.',
  },
  'crl-unusable': {
    meaning: 'A revocation list that this side was given, or should have been, is of no use.',
    causes: [
      'the `crl` option is set, and holds no list of one of the CAs in the chain: every CA needs one',
      'the list has expired, because nobody fetched the next one, or a clock is wrong',
      'the list is of another CA, or no revocation list at all',
    ],
    fix: 'Fetch the list of each CA in the chain again. Where the peers are held against a deny list by other means, leave the `crl` option out.',
  },
  'unexpected-peer': {
    meaning: 'The peer has a good certificate, but it is not one of those that are expected here.',
    causes: [
      'the address belongs to another service',
      '`expect` names another SPIFFE ID or pattern than the peer has',
      'the peer is of another trust domain',
    ],
    fix: "Compare the SPIFFE ID in the error's message with `expect` in the policy, and correct the one that is wrong.",
  },
  'peer-refused': {
    meaning: "This package's verifier refused the peer's certificate.",
    causes: ["the code names the rule that failed, and the error's message says more"],
    fix: "Read the error's message; have the peer's certificate issued by this CA.",
  },
  'policy-rejected': {
    meaning: "The policy that the peer was to be held against can't be meant.",
    causes: [
      'the anchors are empty, or a root is among them, or CAs of the other segment are',
      'a field of the policy is missing or misspelt',
    ],
    fix: "Give the segment's anchors of the bundle (`servicesAnchors` or `transportAnchors`) alone; the error's message names the field.",
  },
  'key-mismatch': {
    meaning: '`key` and `cert` do not belong together.',
    causes: [
      'a renewed certificate was used with the earlier key, or the other way round',
      'key and certificate files were exchanged between two services',
    ],
    fix: 'Replace both at once. The private key of a certificate is the one that its request was made with (`generateKeyAndCsr`).',
  },
  'unreadable-pem': {
    meaning: '`key`, `cert` or `ca` is not readable.',
    causes: [
      'a path was given where the text is expected, or the file is empty',
      'the key is encrypted and no passphrase was given',
      'line breaks were lost, for example in an environment variable',
    ],
    fix: 'Give the PEM text itself, or `Bun.file(path)` in Bun. It begins with `-----BEGIN`.',
  },
  'chain-as-list': {
    meaning: 'A certificate of `cert` is for signing certificates, not for TLS.',
    causes: ['`cert` is an array, `[leaf, intermediate]`, whose parts are taken as separate ones'],
    fix: 'Give one PEM text: `cert: certificatePem + chain[0]`.',
  },
  'no-client-certificate': {
    meaning: 'The server asks for a client certificate, and none was sent.',
    causes: [
      "the client's `tls` options lack `key` and `cert`",
      'they were given at the wrong place: `fetch` and `WebSocket` take them below `tls`',
    ],
    fix: "Give `key` and `cert` of the client's identity in its `tls` options.",
  },
  'certificate-refused': {
    meaning: 'The other side refused the certificate that it was sent.',
    causes: [
      'it trusts another CA, or the CAs of the other segment',
      'the certificate has expired, or its type may not be a client',
    ],
    fix: 'Look into the log of the other side, which knows the reason. Compare its `ca` with the issuer of the certificate.',
  },
  'not-tls': {
    meaning: 'The other side does not speak TLS on this port.',
    causes: [
      '`https:` or `wss:` where the server speaks plain HTTP, or plain HTTP to a TLS port',
      'a proxy in between answers in plain text',
    ],
    fix: 'Compare scheme and port with what the server listens on.',
  },
  'options-rejected': {
    meaning:
      'Bun did not even open a connection; with TLS it means that it could not use the options.',
    causes: [
      '`key` and `cert` do not belong together',
      '`key`, `cert` or `ca` is no PEM text, or `ca` is an empty string',
      '`cert` is an array with an intermediate in it',
      'the address is wrong',
    ],
    fix: "Call `tls.createSecureContext(options)` of `node:tls` with the same options: it throws an error that names what is wrong. If it doesn't, `ca` is empty or the address is wrong.",
  },
  unreachable: {
    meaning: 'No connection could be made, so TLS had not begun.',
    causes: [
      'nobody listens on that address and port',
      'the name is unknown, or a firewall drops the packets',
    ],
    fix: 'Check address and port, and that the server has started.',
  },
  closed: {
    meaning: 'The other side closed the connection without saying why.',
    causes: [
      "a `Bun.serve` that refused the client's certificate, or got none: it sends no alert and logs nothing",
      'a plain HTTP request was sent to a TLS port',
      'the server was stopped; `server.stop()` closes connections that are kept alive',
    ],
    fix: "Verify the client's certificate with `verifyPeer` and the server's anchors, role `client`: the error names the rule that fails. A server on `node:tls` gets the reason in `tlsClientError`.",
  },
  'handshake-timeout': {
    meaning: 'The other side connected, and did not finish the TLS handshake in time.',
    causes: [
      'a health check, a load balancer or a port scan that opens a connection and sends nothing',
      'a client that speaks another protocol and waits for the server to begin',
      'one of the two is overloaded, or its event loop was held for long',
    ],
    fix: "Look at the address that called: if it is a health check, let it speak TLS or ask another port. Else look for what holds the event loop, before raising the server's `handshakeTimeout`.",
  },
  'handshake-failed': {
    meaning: 'The TLS handshake failed.',
    causes: [
      'the server asks for a client certificate, and `fetch` was given none',
      'the server does not speak TLS on this port',
      'the two have no version or algorithm in common',
    ],
    fix: 'Give `key` and `cert` in `tls` if the server asks for them. Call the same address by `tls.connect` of `node:tls`, whose error names the alert.',
  },
  'out-of-memory': {
    meaning: 'There was not enough memory to verify the chain: nothing is wrong with it.',
    causes: ['the process or its container is at the limit of its memory'],
    fix: 'Give the process more memory, or find what takes it.',
  },
  unknown: {
    meaning: 'This is no TLS error that is known here.',
    causes: ['an error of the program itself, or one that a newer runtime has'],
    fix: 'Look at the error itself, its `cause` and its stack.',
  },
};

interface Sign {
  code: string | undefined;
  message: string | undefined;
}

function kindOf(signs: Sign[]): TlsErrorKind {
  const { PRECISE, VAGUE } = tables();
  for (const rules of [PRECISE, VAGUE]) {
    for (const field of ['code', 'message'] as const) {
      for (const rule of rules) {
        const pattern = rule[field];
        if (pattern === undefined) continue;
        if (signs.some((sign) => sign[field] !== undefined && pattern.test(sign[field]))) {
          return rule.kind;
        }
      }
    }
  }
  return 'unknown';
}

/** The code that says `kind`, else one that is known. Any other may be anything, so it isn't repeated. */
function codeOf(signs: Sign[], kind: TlsErrorKind): string | null {
  const { PRECISE, VAGUE } = tables();
  const rules = [...PRECISE, ...VAGUE];
  const codes = signs.flatMap(({ code }) => (code === undefined ? [] : [code]));
  const known = (among: Rule[]) =>
    codes.find((code) => among.some((rule) => rule.code?.test(code)));
  return known(rules.filter((rule) => rule.kind === kind)) ?? known(rules) ?? null;
}

/** How many errors are looked at: the one given, its causes, and what they hold. */
const MOST_ERRORS = 16;
/** How much of a message is looked at. */
const LONGEST_MESSAGE = 4096;

/** Codes and messages of the error and of all that it says led to it. */
function signsOf(error: unknown): Sign[] {
  const signs: Sign[] = [];
  const seen: unknown[] = [error];
  for (let i = 0; i < seen.length; i++) {
    const one = seen[i];
    if (typeof one === 'string') {
      signs.push({ code: undefined, message: one.slice(0, LONGEST_MESSAGE) });
    }
    if ((typeof one !== 'object' && typeof one !== 'function') || one === null) continue;
    const [code, message] = [read(one, 'code'), read(one, 'message')];
    signs.push({
      // A number in the `close` event of a WebSocket.
      code: typeof code === 'string' || typeof code === 'number' ? String(code) : undefined,
      message: typeof message === 'string' ? message.slice(0, LONGEST_MESSAGE) : undefined,
    });
    // `error` is in the event of a WebSocket, `errors` where several addresses were tried.
    const errors = read(one, 'errors');
    const inner = [
      read(one, 'cause'),
      read(one, 'error'),
      ...[0, 1, 2, 3].map((at) => read(errors, at)),
    ];
    for (const next of inner) {
      if (next === undefined || seen.length >= MOST_ERRORS || seen.includes(next)) continue;
      seen.push(next);
    }
  }
  return signs;
}

/** A property of what may be a proxy, or have a getter that throws. */
function read(from: unknown, name: string | number): unknown {
  if ((typeof from !== 'object' && typeof from !== 'function') || from === null) return undefined;
  try {
    return (from as Record<string | number, unknown>)[name];
  } catch {
    return undefined;
  }
}

/** The rules, loaded when the first error is explained: a program that has none needs none. */
function tables(): typeof import('./tls-error-rules.js') {
  return require('./tls-error-rules.js') as typeof import('./tls-error-rules.js');
}
