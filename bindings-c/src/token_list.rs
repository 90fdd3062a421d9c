//! The tokens that were minted.

use catalyst_pki::{
    Result,
    authority::store::{TokenPage, TokenRecord, TokenSelector},
};

use crate::{
    config::unknown,
    text::{self, Text, pki_str},
};

/// Which tokens are meant: one of `PKI_TOKENS_…`, with a text.
pub type pki_token_selector = u32;
/// All; the text is empty.
pub const PKI_TOKENS_ALL: u32 = 0;
/// The one of that `jti`.
pub const PKI_TOKENS_BY_JTI: u32 = 1;
/// Those of a subject.
pub const PKI_TOKENS_BY_SUBJECT: u32 = 2;
/// Those that have this name among their `sans`.
pub const PKI_TOKENS_BY_SAN: u32 = 3;
/// Those bound to the certificate of a fingerprint.
pub const PKI_TOKENS_BY_FINGERPRINT: u32 = 4;
/// Those of a SPIFFE ID.
pub const PKI_TOKENS_BY_SPIFFE_ID: u32 = 5;

pub(crate) fn selected(by: pki_token_selector, text: &str) -> Result<TokenSelector> {
    let text = text.to_owned();
    Ok(match by {
        PKI_TOKENS_BY_JTI => TokenSelector::Jti(text),
        PKI_TOKENS_BY_SUBJECT => TokenSelector::Subject(text),
        PKI_TOKENS_BY_SAN => TokenSelector::San(text),
        PKI_TOKENS_BY_FINGERPRINT => TokenSelector::Fingerprint(text),
        PKI_TOKENS_BY_SPIFFE_ID => TokenSelector::SpiffeId(text),
        _ => return Err(unknown("by", by)),
    })
}

/// A page of the tokens that were minted, newest first. There is nothing in it that could be used in the
/// place of a token.
///
/// Never changed once made: any number of threads may read one.
pub struct pki_token_list {
    tokens: Vec<Token>,
    cursor: Text,
}

struct Token {
    jti: Text,
    family: Text,
    subject: Text,
    entity_id: Text,
    entity_name: Text,
    entity_type: Text,
    principal: Text,
    fingerprint: Text,
    spiffe_id: Text,
    sans: Vec<Text>,
    issued_at: i64,
    expires_at: i64,
    revoked_at: i64,
    uses: u32,
}

impl From<TokenRecord> for Token {
    fn from(record: TokenRecord) -> Self {
        Token {
            jti: record.jti.into(),
            family: record.family.into(),
            subject: record.subject.into(),
            entity_id: record.entity_id.into(),
            entity_name: record.entity_name.into(),
            entity_type: record.entity_type.into(),
            principal: record.principal.into(),
            fingerprint: record.fingerprint.map(Text::from).unwrap_or_default(),
            spiffe_id: record.spiffe_id.map(Text::from).unwrap_or_default(),
            sans: text::list(&record.sans),
            issued_at: record.issued_at.as_millis(),
            expires_at: record.expires_at.as_millis(),
            revoked_at: record.revoked_at.map_or(0, |at| at.as_millis()),
            uses: record.uses.unwrap_or_default(),
        }
    }
}

impl From<TokenPage> for pki_token_list {
    fn from(page: TokenPage) -> Self {
        pki_token_list {
            tokens: page.tokens.into_iter().map(Token::from).collect(),
            cursor: page.cursor.map(Text::from).unwrap_or_default(),
        }
    }
}

impl pki_token_list {
    fn at<T: Default>(&self, index: usize, what: impl FnOnce(&Token) -> T) -> T {
        self.tokens.get(index).map(what).unwrap_or_default()
    }
}

export! {
    /// How many tokens are on this page; 0 for NULL.
    fn pki_token_list_len(list: &pki_token_list) -> usize {
        list.tokens.len()
    }

    /// Where the next page begins, for `pki_token_issuer_list`; empty where there is none. Lives as long
    /// as `list`.
    fn pki_token_list_cursor(list: &pki_token_list) -> pki_str {
        list.cursor.lend()
    }

    /// The identifier of one; empty beyond the end. Lives as long as `list`.
    fn pki_token_list_jti(list: &pki_token_list, index: usize) -> pki_str {
        list.at(index, |token| token.jti.lend())
    }

    /// The identifier of the first token of those that were rebound, one from the other; empty beyond the
    /// end. Lives as long as `list`.
    fn pki_token_list_family(list: &pki_token_list, index: usize) -> pki_str {
        list.at(index, |token| token.family.lend())
    }

    /// Whom one was issued to; empty beyond the end. Lives as long as `list`.
    fn pki_token_list_subject(list: &pki_token_list, index: usize) -> pki_str {
        list.at(index, |token| token.subject.lend())
    }

    /// The identifier of whom one speaks for; empty beyond the end. Lives as long as `list`.
    fn pki_token_list_entity_id(list: &pki_token_list, index: usize) -> pki_str {
        list.at(index, |token| token.entity_id.lend())
    }

    /// The name of whom one speaks for; empty beyond the end. Lives as long as `list`.
    fn pki_token_list_entity_name(list: &pki_token_list, index: usize) -> pki_str {
        list.at(index, |token| token.entity_name.lend())
    }

    /// `user` or `service`; empty beyond the end. Lives as long as `list`.
    fn pki_token_list_entity_type(list: &pki_token_list, index: usize) -> pki_str {
        list.at(index, |token| token.entity_type.lend())
    }

    /// As what its holder acts: `CATALYST::NODE`; empty beyond the end. Lives as long as `list`.
    fn pki_token_list_principal(list: &pki_token_list, index: usize) -> pki_str {
        list.at(index, |token| token.principal.lend())
    }

    /// The fingerprint of the certificate that it is bound to; empty where it is bound to none, and beyond
    /// the end. Lives as long as `list`.
    fn pki_token_list_fingerprint(list: &pki_token_list, index: usize) -> pki_str {
        list.at(index, |token| token.fingerprint.lend())
    }

    /// The SPIFFE ID that it was issued to; empty where none is known, and beyond the end. Lives as long as
    /// `list`.
    fn pki_token_list_spiffe_id(list: &pki_token_list, index: usize) -> pki_str {
        list.at(index, |token| token.spiffe_id.lend())
    }

    /// How many names it may be revoked by, besides its identifier.
    fn pki_token_list_sans_len(list: &pki_token_list, index: usize) -> usize {
        list.at(index, |token| token.sans.len())
    }

    /// A name that it may be revoked by; empty beyond the end. Lives as long as `list`.
    fn pki_token_list_san(list: &pki_token_list, index: usize, san: usize) -> pki_str {
        list.at(index, |token| text::at(&token.sans, san))
    }

    /// When it was issued: milliseconds since 1970-01-01T00:00:00Z; 0 beyond the end.
    fn pki_token_list_issued_at(list: &pki_token_list, index: usize) -> i64 {
        list.at(index, |token| token.issued_at)
    }

    /// When it ends: milliseconds since 1970-01-01T00:00:00Z; 0 beyond the end.
    fn pki_token_list_expires_at(list: &pki_token_list, index: usize) -> i64 {
        list.at(index, |token| token.expires_at)
    }

    /// When it was revoked: milliseconds since 1970-01-01T00:00:00Z; 0 where it was not.
    fn pki_token_list_revoked_at(list: &pki_token_list, index: usize) -> i64 {
        list.at(index, |token| token.revoked_at)
    }

    /// How many certificates may be signed for it; 0 for a token that isn't used up.
    fn pki_token_list_uses(list: &pki_token_list, index: usize) -> u32 {
        list.at(index, |token| token.uses)
    }

    /// Frees it, and the texts borrowed from it. NULL is no error.
    fn pki_token_list_free(list: Freed<pki_token_list>) {
        drop(list);
    }
}
