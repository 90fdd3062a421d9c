//! What a token says.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Error, Result, Timestamp};

macro_rules! principals {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)+) => {
        /// As what somebody acts: what a token lets its holder do follows from it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Principal {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Principal {
            /// All of them.
            pub const ALL: &'static [Principal] = &[$(Principal::$variant,)+];

            /// As it stands in tokens: `CATALYST::ADMIN`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Principal::$variant => concat!("CATALYST::", $name),)+ }
            }
        }
    };
}

principals! {
    /// May do everything where it is trusted.
    Admin = "ADMIN";
    /// A node: peering.
    Node = "NODE";
    /// Looks after nodes: peers and peering.
    NodeCustodian = "NODE_CUSTODIAN";
    /// Looks after routes.
    DataCustodian = "DATA_CUSTODIAN";
    /// Somebody who may log in.
    User = "USER";
    /// A service that has no certificate yet: signs the one request that its token is for.
    Bootstrap = "BOOTSTRAP";
}

impl Principal {
    /// Without the namespace: `ADMIN`.
    #[must_use]
    pub fn short(self) -> &'static str {
        self.as_str().trim_start_matches("CATALYST::")
    }
}

impl FromStr for Principal {
    type Err = Error;

    /// Takes `CATALYST::ADMIN` and the short form `ADMIN`.
    fn from_str(text: &str) -> Result<Self> {
        let is_named = |known: &&Principal| text == known.as_str() || text == known.short();
        Principal::ALL.iter().find(is_named).copied().ok_or_else(|| {
            let names: Vec<_> = Principal::ALL.iter().map(|principal| principal.short()).collect();
            Error::argument("principal", format!("it must be one of {}", names.join(", ")))
        })
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Principal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Principal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Whether a token's holder is a person or a program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntityType {
    /// A person.
    #[default]
    User,
    /// A program.
    Service,
}

impl EntityType {
    /// `user` or `service`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            EntityType::User => "user",
            EntityType::Service => "service",
        }
    }
}

impl FromStr for EntityType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "user" => Ok(EntityType::User),
            "service" => Ok(EntityType::Service),
            _ => Err(Error::argument("entity type", "it must be user or service")),
        }
    }
}

/// Whom a token speaks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Entity {
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is a person or a program.
    #[serde(rename = "type")]
    pub entity_type: EntityType,
    /// The node that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<String>,
    /// The domains that it is trusted in; none given: see the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_domains: Option<Vec<String>>,
    /// The nodes that it is trusted on; none given: see the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_nodes: Option<Vec<String>>,
}

impl Entity {
    /// An entity without node, and trusted nowhere by name.
    #[must_use]
    pub fn new(id: impl Into<String>, name: impl Into<String>, entity_type: EntityType) -> Self {
        Entity { id: id.into(), name: name.into(), entity_type, ..Entity::default() }
    }
}

/// The certificate that a token is bound to (RFC 7800 3.1, RFC 8705 3.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Confirmation {
    /// SHA-256 of the certificate's DER, base64url without padding.
    #[serde(rename = "x5t#S256")]
    pub thumbprint: String,
}

/// The claims of a token (RFC 7519 4.1), and our own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TokenClaims {
    /// Whom it was issued to.
    pub sub: String,
    /// Who issued it: a node's ID.
    pub iss: String,
    /// When it was issued.
    #[serde(with = "numeric_date")]
    pub iat: Timestamp,
    /// When it ends.
    #[serde(with = "numeric_date")]
    pub exp: Timestamp,
    /// Its own identifier.
    pub jti: String,
    /// Whom it speaks for.
    pub entity: Entity,
    /// As what its holder acts.
    pub principal: Principal,
    /// The certificate that it is bound to; `None` for one that whoever holds it may use.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "confirmation")]
    pub cnf: Option<Confirmation>,
    /// For whom it is meant; nothing where it doesn't say.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "audience")]
    pub aud: Vec<String>,
}

/// Not null: that would make of a token that says something of a binding one that is bound to nothing.
mod confirmation {
    use super::{Confirmation, Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        confirmation: &Option<Confirmation>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        confirmation.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Confirmation>, D::Error> {
        Confirmation::deserialize(deserializer).map(Some)
    }
}

/// One text or a list of them (RFC 7519 4.1.3); one is written as a text.
mod audience {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        One(String),
        Many(Vec<String>),
    }

    pub(super) fn serialize<S: Serializer>(
        names: &[String],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match names {
            [name] => name.serialize(serializer),
            names => names.serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<String>, D::Error> {
        Ok(match Form::deserialize(deserializer)? {
            Form::One(name) => vec![name],
            Form::Many(names) => names,
        })
    }
}

/// Seconds since 1970, written whole; others may write a fraction (RFC 7519 2).
mod numeric_date {
    use super::{Deserialize, Deserializer, Serializer, Timestamp, de};

    /// 9999-12-31T23:59:59Z.
    const LAST: f64 = 253_402_300_799.0;

    pub(super) fn serialize<S: Serializer>(
        time: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(time.as_secs())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        if !(0.0..=LAST).contains(&seconds) {
            return Err(de::Error::custom("a time outside of the years 1970 to 9999"));
        }
        #[allow(clippy::cast_possible_truncation, reason = "it is in range")]
        Ok(Timestamp::from_millis((seconds * 1000.0) as i64))
    }
}
