//! Name constraints (RFC 5280 4.2.1.10) in all the forms that webpki leaves out or fails closed on.

use std::collections::BTreeMap;

use der::{Tag, Tagged};

use super::{
    names::{Form, GeneralName, Rdn, directory, split_mailbox},
    tlv::{elements, sequence},
};
use crate::{Error, Result, dns};

/// The most comparisons of a name with a constraint in one path, so that thousands of the one
/// times thousands of the other don't hold a verifier up. As in Go's crypto/x509 and webpki.
const MAX_COMPARISONS: usize = 250_000;

/// What URI constraints mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UriRule {
    /// RFC 5280: a constraint is a host or a domain. Anything else fails closed.
    Host,
    /// The intermediates of the earlier implementation hold `spiffe://td/orchestrator/`: a prefix
    /// of the whole URI. To be asked for by whoever trusts such an intermediate.
    HostOrSpiffePrefix,
}

/// A certificate's name constraints. Made once, used for every certificate below.
#[derive(Debug, Clone)]
pub(crate) struct NameConstraints {
    by_form: BTreeMap<Form, Subtrees>,
}

/// The constraints on one form of name.
#[derive(Debug, Clone, Default)]
struct Subtrees {
    permitted: Vec<Base>,
    excluded: Vec<Base>,
}

impl NameConstraints {
    pub(crate) fn parse(der: &[u8]) -> Result<Self> {
        let parts = sequence(der).map_err(|_| malformed("not a sequence"))?;
        let mut constraints = NameConstraints { by_form: BTreeMap::new() };
        let mut last = None;
        for part in parts {
            let Tag::ContextSpecific { number, constructed: true } = part.tag() else {
                return Err(malformed("neither permitted nor excluded subtrees"));
            };
            if last.is_some_and(|last| last >= number.value()) {
                return Err(malformed("subtrees out of order"));
            }
            last = Some(number.value());
            let permitted = match number.value() {
                0 => true,
                1 => false,
                _ => return Err(malformed("neither permitted nor excluded subtrees")),
            };
            let subtrees = elements(part.value()).map_err(|_| malformed("broken subtree"))?;
            // SIZE (1..MAX).
            if subtrees.is_empty() {
                return Err(malformed("empty list of subtrees"));
            }
            for subtree in subtrees {
                // The minimum is zero, thus left out in DER, and the maximum absent.
                match elements(subtree.value()).as_deref() {
                    Ok([base]) if subtree.tag() == Tag::Sequence => {
                        let base = GeneralName::new(*base)
                            .ok_or_else(|| malformed("unknown form of name"))?;
                        let of_form = constraints.by_form.entry(base.form).or_default();
                        let list =
                            if permitted { &mut of_form.permitted } else { &mut of_form.excluded };
                        list.push(Base::parse(base)?);
                    }
                    _ => return Err(malformed("a subtree is one base without bounds")),
                }
            }
        }
        if last.is_none() {
            return Err(malformed("an empty sequence"));
        }
        Ok(constraints)
    }

    /// Whether a certificate below may have a DNS name.
    #[cfg(feature = "authority")]
    pub(crate) fn permits_dns(&self, name: &str) -> bool {
        let name = GeneralName { form: Form::Dns, value: name.as_bytes() };
        self.check_name(&name, UriRule::Host, &mut Budget::new()).is_ok()
    }

    /// Whether a URI constraint is of the path form, which RFC 5280 doesn't know.
    pub(crate) fn has_uri_prefix(&self) -> bool {
        let is_prefix = |base: &Base| matches!(base, Base::UriPrefix(_));
        let uris = self.by_form.get(&Form::Uri);
        uris.is_some_and(|uris| uris.permitted.iter().chain(&uris.excluded).any(is_prefix))
    }

    /// Checks the names of a certificate below.
    pub(crate) fn check<'n>(
        &self,
        mut names: impl Iterator<Item = GeneralName<'n>>,
        uri_rule: UriRule,
        budget: &mut Budget,
    ) -> Result<()> {
        names.try_for_each(|name| self.check_name(&name, uri_rule, budget))
    }

    fn check_name(
        &self,
        name: &GeneralName<'_>,
        uri_rule: UriRule,
        budget: &mut Budget,
    ) -> Result<()> {
        let Some(subtrees) = self.by_form.get(&name.form) else { return Ok(()) };
        let Some(subject) = Subject::parse(name) else {
            return Err(violated(name, "can't be read, though its form is constrained"));
        };
        for base in &subtrees.excluded {
            budget.spend()?;
            if base.overlaps(&subject, uri_rule)? {
                return Err(violated(name, "is excluded"));
            }
        }
        if subtrees.permitted.is_empty() {
            return Ok(());
        }
        for base in &subtrees.permitted {
            budget.spend()?;
            if base.contains(&subject, uri_rule)? {
                return Ok(());
            }
        }
        Err(violated(name, "is not permitted"))
    }
}

/// How many comparisons a path may still cost.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Budget {
    pub(crate) fn new() -> Self {
        Budget(MAX_COMPARISONS)
    }

    fn spend(&mut self) -> Result<()> {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => Err(Error::PathRuleViolated("too many names under name constraints".into())),
        }
    }
}

/// One constraint, made ready to compare: texts in lower case.
#[derive(Debug, Clone)]
enum Base {
    /// A host name, and all below it; empty for every name.
    Dns(String),
    Mailbox {
        local: String,
        host: String,
    },
    /// A host of mailboxes, or with `below` the hosts below it.
    MailHost {
        host: String,
        below: bool,
    },
    /// A host of URIs, or with `below` the hosts below it.
    UriHost {
        host: String,
        below: bool,
    },
    UriPrefix(String),
    Ip {
        network: Vec<u8>,
        mask: Vec<u8>,
    },
    Directory(Vec<Rdn>),
    /// A form that we can't compare: it fails closed as soon as such a name appears.
    Unsupported,
}

impl Base {
    fn parse(name: GeneralName<'_>) -> Result<Self> {
        let text = || name.text().ok_or_else(|| malformed("not an IA5String"));
        match name.form {
            Form::Dns => match text()?.to_ascii_lowercase() {
                // A leading period is for URIs; in DNS constraints it is widely misread.
                host if host.is_empty() || dns::is_host_name(&host) => Ok(Base::Dns(host)),
                _ => Err(malformed("a DNS constraint is a host name")),
            },
            Form::Email => {
                let text = text()?;
                if let Some((local, host)) = split_mailbox(text) {
                    return Ok(Base::Mailbox {
                        local: local.into(),
                        host: host.to_ascii_lowercase(),
                    });
                }
                let (host, below) = host_or_domain(text)
                    .ok_or_else(|| malformed("a mail constraint is a mailbox, host or domain"))?;
                Ok(Base::MailHost { host, below })
            }
            Form::Uri => {
                let text = text()?;
                match host_or_domain(text) {
                    Some((host, below)) => Ok(Base::UriHost { host, below }),
                    None => Ok(Base::UriPrefix(text.into())),
                }
            }
            Form::Ip => {
                if !matches!(name.value.len(), 8 | 32) {
                    return Err(malformed("an IP constraint is an address and a mask"));
                }
                let (network, mask) = name.value.split_at(name.value.len() / 2);
                // RFC 4632: ones, then zeros.
                let ones: u32 = mask.iter().map(|b| b.leading_ones()).sum();
                let set: u32 = mask.iter().map(|b| b.count_ones()).sum();
                let is_prefix = ones == set && mask.is_sorted_by(|a, b| *a == 0xff || *b == 0);
                if !is_prefix {
                    return Err(malformed("an IP constraint's mask is a prefix"));
                }
                let network = network.iter().zip(mask).map(|(a, m)| a & m).collect();
                Ok(Base::Ip { network, mask: mask.into() })
            }
            Form::Directory => match directory(name.value) {
                Some(rdns) => Ok(Base::Directory(rdns)),
                None => Err(malformed("a directory constraint is a name")),
            },
            Form::Other | Form::X400 | Form::EdiParty | Form::RegisteredId => Ok(Base::Unsupported),
        }
    }

    /// Whether all that the name stands for lies in this subtree.
    fn contains(&self, name: &Subject, uri_rule: UriRule) -> Result<bool> {
        Ok(match (self, name) {
            (Base::Dns(base), Subject::Dns { name, .. }) => is_in_domain(name, base),
            _ => self.matches(name, uri_rule)?,
        })
    }

    /// Whether anything that the name stands for lies in this subtree: `*.example.com` stands for
    /// `bar.example.com` too (CVE-2025-61727).
    fn overlaps(&self, name: &Subject, uri_rule: UriRule) -> Result<bool> {
        Ok(match (self, name) {
            (Base::Dns(base), Subject::Dns { name, wildcard }) => {
                is_in_domain(name, base)
                    || (*wildcard
                        && base.split_once('.').is_some_and(|(_, parent)| parent == name.as_str()))
            }
            _ => self.matches(name, uri_rule)?,
        })
    }

    fn matches(&self, name: &Subject, uri_rule: UriRule) -> Result<bool> {
        Ok(match (self, name) {
            (Base::Mailbox { local, host }, Subject::Email { local: l, host: h }) => {
                local == l && host == h
            }
            (Base::MailHost { host, below }, Subject::Email { host: name, .. })
            | (Base::UriHost { host, below }, Subject::Uri { host: name, .. }) => {
                if *below {
                    dns::is_below(name, host)
                } else {
                    name == host
                }
            }
            (Base::UriPrefix(prefix), Subject::Uri { uri, .. }) => match uri_rule {
                UriRule::HostOrSpiffePrefix if prefix.starts_with("spiffe://") => {
                    is_below(uri, prefix)
                }
                UriRule::Host | UriRule::HostOrSpiffePrefix => {
                    return Err(Error::NameConstraintViolated(format!(
                        "the constraint {:?} names no host, so no URI can satisfy it",
                        prefix.chars().take(128).collect::<String>()
                    )));
                }
            },
            (Base::Ip { network, mask }, Subject::Ip(address)) => {
                network.len() == address.len()
                    && address.iter().zip(mask).map(|(a, m)| a & m).eq(network.iter().copied())
            }
            (Base::Directory(base), Subject::Directory(name)) => name.starts_with(base),
            // Two forms that don't go together never get here; if they did, closed is right.
            _ => {
                return Err(Error::NameConstraintViolated(
                    "a constraint on a form of name that can't be compared".into(),
                ));
            }
        })
    }
}

/// A certificate's name, made ready to compare.
#[derive(Debug)]
enum Subject {
    /// Without its `*.`, if it had one.
    Dns {
        name: String,
        wildcard: bool,
    },
    Email {
        local: String,
        host: String,
    },
    Uri {
        uri: String,
        host: String,
    },
    Ip(Vec<u8>),
    Directory(Vec<Rdn>),
    Other,
}

impl Subject {
    fn parse(name: &GeneralName<'_>) -> Option<Self> {
        if !name.is_well_formed() {
            return None;
        }
        Some(match name.form {
            Form::Dns => {
                let text = name.text()?.to_ascii_lowercase();
                match text.strip_prefix("*.") {
                    Some(parent) => Subject::Dns { name: parent.into(), wildcard: true },
                    None => Subject::Dns { name: text, wildcard: false },
                }
            }
            Form::Email => {
                let (local, host) = split_mailbox(name.text()?)?;
                Subject::Email { local: local.into(), host: host.to_ascii_lowercase() }
            }
            Form::Uri => {
                let uri = name.text()?;
                Subject::Uri { uri: uri.into(), host: uri_host(uri)?.to_ascii_lowercase() }
            }
            Form::Ip => Subject::Ip(name.value.into()),
            Form::Directory => Subject::Directory(directory(name.value)?),
            Form::Other | Form::X400 | Form::EdiParty | Form::RegisteredId => Subject::Other,
        })
    }
}

/// A host, or a domain with a leading period that stands for all below it.
fn host_or_domain(text: &str) -> Option<(String, bool)> {
    let (host, below) = match text.strip_prefix('.') {
        Some(host) => (host, true),
        None => (text, false),
    };
    dns::is_host_name(host).then(|| (host.to_ascii_lowercase(), below))
}

fn is_in_domain(name: &str, base: &str) -> bool {
    base.is_empty() || name == base || dns::is_below(name, base)
}

/// Whether a SPIFFE ID is `prefix` or goes on behind it with a new segment: `spiffe://td` holds
/// nothing of `spiffe://td.evil.example`.
fn is_below(uri: &str, prefix: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    uri.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The host of a URI (RFC 3986 3.2). Nothing without an authority, or where the host is an
/// address: a constraint can't hold such a URI (RFC 5280 4.2.1.10).
fn uri_host(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    dns::is_host_name(host).then_some(host)
}

fn malformed(why: &str) -> Error {
    Error::MalformedCertificate(format!("name constraints: {why}"))
}

fn violated(name: &GeneralName<'_>, how: &str) -> Error {
    let shown = match (name.form, name.text()) {
        (Form::Dns | Form::Email | Form::Uri, Some(text)) => {
            format!("{:?}", text.chars().take(256).collect::<String>())
        }
        (Form::Ip, _) => format!("the address {:02x?}", name.value),
        (Form::Directory, _) => "a directory name".into(),
        _ => "a name".into(),
    };
    Error::NameConstraintViolated(format!("{shown} {how}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::requests::tlv;

    fn base(form: Form, value: &[u8]) -> Result<Base> {
        Base::parse(GeneralName { form, value })
    }

    fn subject(form: Form, value: &[u8]) -> Subject {
        Subject::parse(&GeneralName { form, value }).unwrap()
    }

    fn within(form: Form, constraint: &str, name: &str) -> bool {
        let base = base(form, constraint.as_bytes()).unwrap();
        base.contains(&subject(form, name.as_bytes()), UriRule::Host).unwrap()
    }

    #[test]
    fn a_uri_constraint_is_about_the_host_alone() {
        for (constraint, uri, expected) in [
            ("mesh.example.com", "spiffe://mesh.example.com/node/a", true),
            ("mesh.example.com", "spiffe://MESH.example.com/node/a", true),
            ("mesh.example.com", "spiffe://a.mesh.example.com/node/a", false),
            (".mesh.example.com", "spiffe://a.mesh.example.com/node/a", true),
            (".mesh.example.com", "spiffe://mesh.example.com/node/a", false),
            ("mesh.example.com", "https://mesh.example.com:8443?x", true),
            ("mesh.example.com", "https://mesh.example.com@evil.example/", false),
            ("mesh.example.com", "spiffe://evil.example/mesh.example.com", false),
        ] {
            assert_eq!(within(Form::Uri, constraint, uri), expected, "{constraint} {uri}");
        }
        for uri in ["mailto:a@mesh.example.com", "urn:x:y", "https://192.0.2.1/", "spiffe:///a"] {
            let name = GeneralName { form: Form::Uri, value: uri.as_bytes() };
            assert!(Subject::parse(&name).is_none(), "{uri}");
        }
    }

    #[test]
    fn the_path_form_is_a_prefix_only_when_asked_for() {
        let base = base(Form::Uri, b"spiffe://td.example/orchestrator/").unwrap();
        let inside = subject(Form::Uri, b"spiffe://td.example/orchestrator/a");
        let outside = subject(Form::Uri, b"spiffe://td.example/node/a");
        assert!(base.contains(&inside, UriRule::Host).is_err());
        assert!(base.contains(&inside, UriRule::HostOrSpiffePrefix).unwrap());
        assert!(!base.contains(&outside, UriRule::HostOrSpiffePrefix).unwrap());
        for (prefix, expected) in [
            ("spiffe://td.example", true),
            ("spiffe://td.example/", true),
            ("spiffe://td.example/orch", false),
            ("spiffe://td", false),
        ] {
            assert_eq!(is_below("spiffe://td.example/orchestrator/a", prefix), expected);
        }
    }

    #[test]
    fn masks_are_prefixes() {
        for (mask, ok) in [
            ([255, 255, 255, 0], true),
            ([0, 0, 0, 0], true),
            ([255, 255, 255, 255], true),
            ([255, 254, 0, 0], true),
            ([255, 0, 255, 0], false),
            ([0, 255, 0, 0], false),
            ([254, 255, 0, 0], false),
            ([253, 0, 0, 0], false),
            ([128, 128, 0, 0], false),
        ] {
            let value: Vec<u8> = [192, 0, 2, 0].into_iter().chain(mask).collect();
            assert_eq!(base(Form::Ip, &value).is_ok(), ok, "{mask:?}");
        }
        assert!(base(Form::Ip, &[192, 0, 2, 0]).is_err());
    }

    #[test]
    fn a_wildcard_overlaps_what_it_stands_for() {
        let base = base(Form::Dns, b"bar.example.com").unwrap();
        let wildcard = subject(Form::Dns, b"*.Example.com");
        assert!(base.overlaps(&wildcard, UriRule::Host).unwrap());
        assert!(!base.contains(&wildcard, UriRule::Host).unwrap());
        assert!(within(Form::Dns, "example.com", "*.example.com"));
        assert!(!within(Form::Dns, "example.com", "notexample.com"));
        assert!(within(Form::Dns, "", "example.com"));
        for stranger in [&b"example.com"[..], b"*.other.example", b"*.bar.example.org"] {
            let stranger = subject(Form::Dns, stranger);
            assert!(!base.overlaps(&stranger, UriRule::Host).unwrap(), "{stranger:?}");
        }
    }

    /// Constraints on one kind of subtree, context tag 0 or 1.
    fn constraints(kind: u8, subtrees: &[Vec<u8>]) -> Vec<u8> {
        let subtrees: Vec<_> = subtrees.iter().map(Vec::as_slice).collect();
        tlv(0x30, &[&tlv(0xa0 | kind, &subtrees)])
    }

    #[test]
    fn what_can_not_be_meant_is_malformed() {
        let base = tlv(0x82, &[b"example.com"]);
        let subtree = |base: &[u8]| tlv(0x30, &[base]);
        let dns = |name: &[u8]| subtree(&tlv(0x82, &[name]));
        for (der, expected) in [
            (constraints(0, &[subtree(&base)]), true),
            (constraints(1, &[subtree(&base), dns(b"")]), true),
            (constraints(2, &[subtree(&base)]), false),
            (constraints(0, &[]), false),
            (tlv(0x30, &[]), false),
            (constraints(0, &[tlv(0x31, &[&base])]), false),
            (constraints(0, &[tlv(0x30, &[&base, &tlv(0x80, &[&[0]])])]), false),
            (constraints(0, &[subtree(&tlv(0x89, &[b"example.com"]))]), false),
            (constraints(0, &[dns(b".example.com")]), false),
            (constraints(0, &[dns(b"exa mple.com")]), false),
            (constraints(0, &[dns("b\u{e4}r.example".as_bytes())]), false),
            (constraints(0, &[subtree(&tlv(0x81, &[b"ops@"]))]), false),
            (constraints(0, &[subtree(&tlv(0xa4, &[b"CN"]))]), false),
        ] {
            assert_eq!(NameConstraints::parse(&der).is_ok(), expected, "{der:02x?}");
        }
        let twice = [constraints(1, &[subtree(&base)]), constraints(0, &[subtree(&base)])];
        let turned = tlv(0x30, &[&twice[0][2..], &twice[1][2..]]);
        assert!(NameConstraints::parse(&turned).is_err());
    }

    #[test]
    fn who_breaks_a_constraint_is_told() {
        let name = |form, value| GeneralName { form, value };
        let common_name = [&tlv(0x06, &[&[0x55, 4, 3]])[..], &tlv(0x0c, &[b"a"])].concat();
        let directory = tlv(0x30, &[&tlv(0x31, &[&tlv(0x30, &[&common_name])])]);
        for (excluded, name, told) in [
            (
                tlv(0x82, &[b"a.example"]),
                name(Form::Dns, b"a.example"),
                "\"a.example\" is excluded",
            ),
            (
                tlv(0x81, &[b"a.example"]),
                name(Form::Email, b"b@a.example"),
                "\"b@a.example\" is excluded",
            ),
            (
                tlv(0x86, &[b"a.example"]),
                name(Form::Uri, b"x://a.example"),
                "\"x://a.example\" is excluded",
            ),
            (
                tlv(0x87, &[&[0; 8]]),
                name(Form::Ip, &[192, 0, 2, 1]),
                "the address [c0, 00, 02, 01] is excluded",
            ),
            (
                tlv(0xa4, &[&directory]),
                name(Form::Directory, &directory),
                "a directory name is excluded",
            ),
            (
                tlv(0x88, &[&[0x2a]]),
                name(Form::RegisteredId, &[0x2a]),
                "a constraint on a form of name that can't be compared",
            ),
            (
                tlv(0x88, &[&[0x2a]]),
                name(Form::RegisteredId, &[]),
                "a name can't be read, though its form is constrained",
            ),
            (
                tlv(0x86, &[b"x:/a"]),
                name(Form::Uri, b"x://a.example"),
                "the constraint \"x:/a\" names no host, so no URI can satisfy it",
            ),
        ] {
            let constraints = constraints(1, &[tlv(0x30, &[&excluded])]);
            let constraints = NameConstraints::parse(&constraints).unwrap();
            for rule in [UriRule::Host, UriRule::HostOrSpiffePrefix] {
                let refused = constraints.check([name].into_iter(), rule, &mut Budget::new());
                let Err(Error::NameConstraintViolated(why)) = refused else {
                    panic!("{refused:?}")
                };
                assert_eq!(why, told);
            }
        }
    }
}
