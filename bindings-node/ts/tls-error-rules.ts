/** What kind of thing went wrong: stable, for programs. `unknown` is everything else. */
export type TlsErrorKind =
  | 'issuer-unknown'
  | 'issuer-incomplete'
  | 'issuer-not-sent'
  | 'self-signed'
  | 'root-unknown'
  | 'expired'
  | 'not-yet-valid'
  | 'name-mismatch'
  | 'name-constraint'
  | 'wrong-usage'
  | 'bad-signature'
  | 'issuer-not-allowed'
  | 'chain-rejected'
  | 'revoked'
  | 'crl-unusable'
  | 'unexpected-peer'
  | 'peer-refused'
  | 'policy-rejected'
  | 'key-mismatch'
  | 'unreadable-pem'
  | 'chain-as-list'
  | 'no-client-certificate'
  | 'certificate-refused'
  | 'not-tls'
  | 'options-rejected'
  | 'unreachable'
  | 'closed'
  | 'handshake-timeout'
  | 'handshake-failed'
  | 'out-of-memory'
  | 'unknown';

/** What says that an error is of a kind: its code, or its message where no code says it. */
export interface Rule {
  kind: TlsErrorKind;
  code?: RegExp;
  message?: RegExp;
}

/** A message that is these words, as OpenSSL has some for each code, or ends in them as that of a `WebSocket`. */
function words(text: string): RegExp {
  // Newer Nodes add advice after a semicolon.
  return new RegExp(`(?:^|: )(?:${text})(?:;|$)`, 'i');
}

/** `error:0A00010B:SSL routines:ssl3_get_record:wrong version number:…`; BoringSSL's `WRONG_VERSION_NUMBER`. */
function reason(text: string): RegExp {
  const spelt = text.replaceAll(' ', '[ _]');
  return new RegExp(`error:[0-9a-f]{8}:[^:]*:[^:]*:(?:${spelt})(?::|$)`, 'i');
}

/** The first that fits counts. */
export const PRECISE: Rule[] = [
  { kind: 'expired', code: /^PKI_(?:CERTIFICATE|ISSUER)_EXPIRED$/ },
  { kind: 'not-yet-valid', code: /^PKI_(?:CERTIFICATE|ISSUER)_NOT_YET_VALID$/ },
  { kind: 'issuer-unknown', code: /^PKI_UNTRUSTED_ISSUER$/ },
  { kind: 'bad-signature', code: /^PKI_SIGNATURE_INVALID$/ },
  { kind: 'name-mismatch', code: /^PKI_NAME_MISMATCH$/ },
  { kind: 'name-constraint', code: /^PKI_NAME_CONSTRAINT_VIOLATED$/ },
  { kind: 'wrong-usage', code: /^PKI_(?:USAGE_NOT_ALLOWED|CA_USED_AS_LEAF)$/ },
  { kind: 'issuer-not-allowed', code: /^PKI_PATH_LENGTH_EXCEEDED$/ },
  { kind: 'crl-unusable', code: /^PKI_CRL_INVALID$/ },
  {
    kind: 'revoked',
    code: /^PKI_(?:IDENTITY_DENIED|SERIAL_DENIED|CERTIFICATE_REVOKED|ISSUER_REVOKED)$/,
  },
  {
    kind: 'unexpected-peer',
    code: /^PKI_(?:UNEXPECTED_PEER|FOREIGN_TRUST_DOMAIN|SERVICE_TYPE_NOT_ALLOWED)$/,
  },
  {
    kind: 'policy-rejected',
    code: /^PKI_(?:INVALID_POLICY|ANCHOR_REJECTED|INVALID_ARGUMENT)$/,
  },
  {
    kind: 'peer-refused',
    code: /^PKI_(?:MALFORMED_CERTIFICATE|UNKNOWN_CRITICAL_EXTENSION|ALGORITHM_NOT_ALLOWED|PATH_RULE_VIOLATED|SPIFFE_ID_MISSING|SPIFFE_ID_NOT_UNIQUE|PEER_ID_INVALID)$/,
  },
  {
    kind: 'issuer-unknown',
    code: /^UNABLE_TO_GET_ISSUER_CERT_LOCALLY$/,
    message: words('unable to get local issuer certificate'),
  },
  {
    kind: 'issuer-incomplete',
    code: /^UNABLE_TO_GET_ISSUER_CERT$/,
    message: words('unable to get issuer certificate'),
  },
  {
    kind: 'issuer-not-sent',
    code: /^UNABLE_TO_VERIFY_LEAF_SIGNATURE$/,
    message: words('unable to verify the first certificate'),
  },
  {
    kind: 'root-unknown',
    code: /^SELF_SIGNED_CERT_IN_CHAIN$/,
    message: words('self[- ]signed certificate in certificate chain'),
  },
  {
    kind: 'self-signed',
    code: /^DEPTH_ZERO_SELF_SIGNED_CERT$/,
    message: words('self[- ]signed certificate'),
  },
  { kind: 'expired', code: /^CERT_HAS_EXPIRED$/, message: words('certificate has expired') },
  {
    kind: 'not-yet-valid',
    code: /^CERT_NOT_YET_VALID$/,
    message: words('certificate is not yet valid'),
  },
  {
    kind: 'name-mismatch',
    code: /^(?:ERR_TLS_CERT_ALTNAME_INVALID|(?:HOSTNAME|IP_ADDRESS|EMAIL)_MISMATCH)$/,
    message: words(
      "Hostname/IP does not match certificate's altnames(?:: [^]*)?|(?:hostname|IP address) mismatch",
    ),
  },
  {
    kind: 'name-constraint',
    code: /^(?:PERMITTED_VIOLATION|EXCLUDED_VIOLATION|SUBTREE_MINMAX|UNSUPPORTED_(?:CONSTRAINT_TYPE|CONSTRAINT_SYNTAX|NAME_SYNTAX)|NAME_CONSTRAINTS_WITHOUT_SANS)$/,
    message: words(
      '(?:permitted|excluded) subtree violation|name constraints minimum and maximum not supported|unsupported name constraint type|unsupported or invalid name (?:constraint )?syntax|Issuer has name constraints but leaf has no SANs',
    ),
  },
  {
    kind: 'wrong-usage',
    code: /^INVALID_PURPOSE$/,
    message: words('(?:unsupported|unsuitable) certificate purpose'),
  },
  {
    kind: 'bad-signature',
    code: /^(?:CERT_SIGNATURE_FAILURE|UNABLE_TO_DECRYPT_CERT_SIGNATURE|UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY)$/,
    message: words(
      "certificate signature failure|unable to decrypt certificate's signature|unable to decode issuer public key",
    ),
  },
  {
    kind: 'issuer-not-allowed',
    code: /^(?:INVALID_CA|PATH_LENGTH_EXCEEDED|KEYUSAGE_NO_CERTSIGN)$/,
    message: words(
      'invalid CA certificate|path length constraint exceeded|key usage does not include certificate signing',
    ),
  },
  {
    kind: 'chain-rejected',
    code: /^(?:CERT_CHAIN_TOO_LONG|CERT_UNTRUSTED|CERT_REJECTED|ERROR_IN_CERT_NOT_(?:BEFORE|AFTER)_FIELD|INVALID_(?:NON_CA|EXTENSION)|UNHANDLED_CRITICAL_EXTENSION)$/,
    // Node has no code for half of them.
    message: words(
      "certificate chain too long|path loop|certificate not trusted|certificate rejected|format error in certificate's not(?:Before|After) field|invalid non-CA certificate \\(has CA markings\\)|invalid or inconsistent certificate extension|unhandled critical extension|(?:EE|CA) certificate key too weak|CA signature digest algorithm too weak",
    ),
  },
  {
    kind: 'crl-unusable',
    code: /^(?:UNABLE_TO_GET_CRL(?:_ISSUER)?|UNABLE_TO_DECRYPT_CRL_SIGNATURE|CRL_(?:SIGNATURE_FAILURE|NOT_YET_VALID|HAS_EXPIRED|PATH_VALIDATION_ERROR)|ERROR_IN_CRL_(?:LAST|NEXT)_UPDATE_FIELD|KEYUSAGE_NO_CRL_SIGN|DIFFERENT_CRL_SCOPE|UNHANDLED_CRITICAL_CRL_EXTENSION|InvalidCRL)$/,
    message: words(
      "unable to get certificate CRL|unable to decrypt CRL's signature|CRL signature failure|CRL is not yet valid|CRL has expired|format error in CRL's (?:last|next)Update field|Failed to parse CRL",
    ),
  },
  { kind: 'out-of-memory', code: /^OUT_OF_MEM$/ },
  { kind: 'revoked', code: /^CERT_REVOKED$/, message: words('certificate revoked') },
  {
    kind: 'handshake-timeout',
    code: /^ERR_TLS_HANDSHAKE_TIMEOUT$/,
    message: words('TLS handshake timeout'),
  },
  {
    kind: 'key-mismatch',
    code: /^ERR_OSSL_X509_KEY_(?:VALUES|TYPE)_MISMATCH$/,
    message: reason('key (?:values|type) mismatch'),
  },
  {
    kind: 'unreadable-pem',
    code: /^ERR_OSSL_(?:PEM_[A-Z0-9_]{1,40}|UNSUPPORTED|BAD_DECRYPT)$/,
    message: new RegExp(`${reason('no start line|bad base64 decode').source}|^Invalid CA$`, 'i'),
  },
  {
    kind: 'chain-as-list',
    code: /^ERR_SSL_KEY_USAGE_BIT_INCORRECT$/,
    message: reason('key usage bit incorrect'),
  },
  {
    kind: 'no-client-certificate',
    code: /^ERR_SSL_(?:TLSV1[0-9]?_ALERT_CERTIFICATE_REQUIRED|PEER_DID_NOT_RETURN_A_CERTIFICATE)$/,
    message: reason('tlsv1[0-9]? alert certificate required|peer did not return a certificate'),
  },
  {
    kind: 'certificate-refused',
    code: /^ERR_SSL_(?:SSLV3|TLSV1[0-9]?)_ALERT_(?:BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_REVOKED|CERTIFICATE_EXPIRED|CERTIFICATE_UNKNOWN|UNKNOWN_CA|ACCESS_DENIED)$/,
    message: reason(
      '(?:sslv3|tlsv1[0-9]?) alert (?:bad certificate|unsupported certificate|certificate (?:revoked|expired|unknown)|unknown ca|access denied)',
    ),
  },
  {
    kind: 'not-tls',
    code: /^ERR_SSL_(?:WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH_TOO_LONG)$/,
    message: reason('wrong version number|http request|packet length too long'),
  },
  {
    kind: 'unreachable',
    code: /^(?:ECONNREFUSED|ConnectionRefused|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT)$/,
    message: words('Unable to connect\\. Is the computer able to access the url\\?'),
  },
];

/** What says little; it counts where nothing precise is found, in the causes neither. */
export const VAGUE: Rule[] = [
  {
    kind: 'options-rejected',
    code: /^(?:FailedToOpenSocket|ERR_BORINGSSL)$/,
    message:
      /^WebSocket connection to '.*' failed: Failed to connect$|^Failed to create HTTP server$|(?:^|: )Was there a typo in the url or port\?$/i,
  },
  {
    kind: 'handshake-failed',
    code: /^(?:EPROTO|ERR_SSL_[A-Z0-9_]{1,60})$/,
    message: /(?:^|: )(?:The )?TLS handshake failed(?:$|[.:])/i,
  },
  {
    kind: 'closed',
    code: /^(?:ECONNRESET|ECONNABORTED|EPIPE|ConnectionClosed|UND_ERR_SOCKET|1006|1015)$/,
    message:
      /^socket hang up$|^Client network socket disconnected before secure TLS connection was established$|^WebSocket connection to '.*' failed: Connection ended$|(?:^|: )The socket connection was closed unexpectedly(?:$|\.)/i,
  },
];
