//! From a passphrase to keys: scrypt (RFC 7914), once for each opening of a database.
//!
//! A database has one salt, so that one derivation serves every key in it. The first 32 bytes that
//! scrypt gives are the key of PBES2 (RFC 8018), as OpenSSL derives it from the passphrase and what
//! the PEM says: CA keys share it, each with a random initialization vector of its own. From the next
//! 32, which are independent of the first, HKDF (RFC 5869) derives the key under which callers' keys
//! are, and the check value that knows the passphrase.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, RandomizedNonceKey},
    constant_time,
    hkdf::{HKDF_SHA256, KeyType, Prk, Salt},
    rand,
};
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use zeroize::Zeroizing;

use super::Passphrase;
use crate::{Error, Result};

/// The most memory that a derivation may take, 32 MiB: it is OpenSSL's limit too, and the parameters
/// of a key may come from anywhere.
const MOST_MEMORY: u64 = 32 * 1024 * 1024;
const SALT_LEN: usize = 16;
const CHECK_LEN: usize = 16;

/// How much scrypt has to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    /// The binary logarithm of N.
    log_n: u8,
    r: u16,
    p: u16,
}

impl Cost {
    /// What OpenSSL reads without being told to take more memory.
    const OF_A_PASSPHRASE: Cost = Cost { log_n: 14, r: 8, p: 1 };
    /// Enough where nobody can guess: for 32 random bytes.
    const OF_A_RANDOM_KEY: Cost = Cost { log_n: 1, r: 1, p: 1 };

    /// The cost by scrypt's own parameters, if they are ones that scrypt takes and this library pays.
    pub(super) fn new(n: u64, r: u16, p: u16) -> Option<Self> {
        let log_n = u8::try_from(n.checked_ilog2()?).ok()?;
        let memory =
            128_u64.checked_mul(n)?.checked_mul(u64::from(r))?.checked_mul(u64::from(p))?;
        let is_good = n.is_power_of_two() && log_n > 0 && r > 0 && p > 0 && memory <= MOST_MEMORY;
        is_good.then_some(Cost { log_n, r, p })
    }

    pub(super) fn n(self) -> u64 {
        1 << self.log_n
    }

    pub(super) fn r(self) -> u16 {
        self.r
    }

    pub(super) fn p(self) -> u16 {
        self.p
    }
}

/// Salt and cost of a database, and what its passphrase must give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) cost: Cost,
    pub(super) salt: [u8; SALT_LEN],
    check: [u8; CHECK_LEN],
}

/// `$scrypt$v=1$ln=14,r=8,p=1$<salt>$<check>`, as the PHC string format has it: base64 without
/// padding.
impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cost { log_n, r, p } = self.cost;
        let [salt, check] =
            [self.salt, self.check].map(|bytes| BASE64_STANDARD_NO_PAD.encode(bytes));
        write!(f, "$scrypt$v=1$ln={log_n},r={r},p={p}${salt}${check}")
    }
}

impl Header {
    /// # Errors
    ///
    /// [`Error::CorruptCaState`], also for a derivation that is cheaper than ours: whoever made the
    /// keys of this database paid more.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let corrupt = || {
            Error::CorruptCaState(
                "the key header of the database is damaged: restore a backup".into(),
            )
        };
        Self::read(text).filter(Self::is_dear_enough).ok_or_else(corrupt)
    }

    fn read(text: &str) -> Option<Self> {
        let [cost, salt, check] =
            *text.strip_prefix("$scrypt$v=1$")?.split('$').collect::<Vec<_>>().as_array::<3>()?;
        let [log_n, r, p] = *cost.split(',').collect::<Vec<_>>().as_array::<3>()?;
        let log_n: u32 = log_n.strip_prefix("ln=")?.parse().ok()?;
        let cost = Cost::new(
            1_u64.checked_shl(log_n)?,
            r.strip_prefix("r=")?.parse().ok()?,
            p.strip_prefix("p=")?.parse().ok()?,
        )?;
        let decode = |text| BASE64_STANDARD_NO_PAD.decode(text).ok();
        let (salt, check) = (decode(salt)?.try_into().ok()?, decode(check)?.try_into().ok()?);
        Some(Header { cost, salt, check })
    }

    fn is_dear_enough(&self) -> bool {
        let Cost { log_n, r, p } = Cost::OF_A_PASSPHRASE;
        self.cost.log_n >= log_n && self.cost.r >= r && self.cost.p >= p
    }
}

/// What scrypt has made of a passphrase.
pub(super) struct Keys {
    pub(super) pbes2: Zeroizing<[u8; 32]>,
    /// Under which callers' keys are: with random nonces it is good for 2³² of them (NIST SP 800-38D
    /// 8.3).
    pub(super) records: RandomizedNonceKey,
}

/// A new header, and the keys under it.
pub(super) fn begin(passphrase: &Passphrase) -> Result<(Header, Keys)> {
    new_header(passphrase, Cost::OF_A_PASSPHRASE)
}

/// The same with a random passphrase that nobody will know.
pub(super) fn begin_ephemeral() -> Result<(Passphrase, Header, Keys)> {
    let passphrase = Passphrase::random()?;
    let (header, keys) = new_header(&passphrase, Cost::OF_A_RANDOM_KEY)?;
    Ok((passphrase, header, keys))
}

fn new_header(passphrase: &Passphrase, cost: Cost) -> Result<(Header, Keys)> {
    let mut salt = [0; SALT_LEN];
    rand::fill(&mut salt).map_err(|_| Error::internal("no randomness"))?;
    let (keys, check) = derive(passphrase, cost, &salt)?;
    Ok((Header { cost, salt, check }, keys))
}

/// The keys under a header that is there.
///
/// # Errors
///
/// [`Error::WrongPassphrase`].
pub(super) fn unlock(passphrase: &Passphrase, header: &Header) -> Result<Keys> {
    let (keys, check) = derive(passphrase, header.cost, &header.salt)?;
    constant_time::verify_slices_are_equal(&check, &header.check)
        .map_err(|_| Error::WrongPassphrase)?;
    Ok(keys)
}

fn derive(
    passphrase: &Passphrase,
    cost: Cost,
    salt: &[u8; SALT_LEN],
) -> Result<(Keys, [u8; CHECK_LEN])> {
    #[cfg(test)]
    DERIVATIONS.set(DERIVATIONS.get() + 1);
    let params = scrypt::Params::new(cost.log_n, cost.r.into(), cost.p.into());
    let mut output = Zeroizing::new([0; 64]);
    params
        .map(|params| scrypt::scrypt(passphrase.as_str().as_bytes(), salt, &params, &mut *output))
        .map_err(Error::internal)?
        .map_err(Error::internal)?;
    let (pbes2, rest) = output.split_at(32);
    let secret = Salt::new(HKDF_SHA256, &[]).extract(rest);
    let records = expand::<32>(&secret, b"catalyst-pki record keys v1")?;
    let check = expand::<CHECK_LEN>(&secret, b"catalyst-pki passphrase check v1")?;
    let keys = Keys {
        pbes2: Zeroizing::new(pbes2.try_into().map_err(Error::internal)?),
        records: RandomizedNonceKey::new(&AES_256_GCM, &*records).map_err(Error::internal)?,
    };
    Ok((keys, *check))
}

fn expand<const LEN: usize>(secret: &Prk, purpose: &[u8]) -> Result<Zeroizing<[u8; LEN]>> {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }

    let mut key = Zeroizing::new([0; LEN]);
    let purpose = [purpose];
    let expanded = secret.expand(&purpose, Length(LEN)).and_then(|okm| okm.fill(&mut *key));
    expanded.map_err(Error::internal)?;
    Ok(key)
}

#[cfg(test)]
thread_local! {
    /// How often this thread has run scrypt for a header.
    pub(in crate::authority) static DERIVATIONS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_costs_are_refused() {
        assert_eq!(Cost::new(1 << 14, 8, 1), Some(Cost::OF_A_PASSPHRASE));
        assert!(Cost::new(1 << 15, 8, 1).is_some(), "32 MiB");
        for (n, r, p) in [
            (0, 8, 1),
            (1, 8, 1),
            (1 << 14, 0, 1),
            (1 << 14, 8, 0),
            ((1 << 14) + 1, 8, 1),
            (1 << 16, 8, 1),
            (1 << 14, 8, 3),
            (1 << 63, u16::MAX, u16::MAX),
            (u64::MAX, 1, 1),
            (2, u16::MAX, u16::MAX),
        ] {
            assert_eq!(Cost::new(n, r, p), None, "{n} {r} {p}");
        }
    }

    #[test]
    fn a_header_comes_back_and_knows_its_passphrase() {
        let passphrase = Passphrase::new("correct horse").unwrap();
        let (header, keys) = begin(&passphrase).unwrap();
        let text = header.to_string();
        assert!(text.starts_with("$scrypt$v=1$ln=14,r=8,p=1$"), "{text}");
        let again = Header::parse(&text).unwrap();
        assert_eq!(again, header);
        assert_eq!(unlock(&passphrase, &again).unwrap().pbes2, keys.pbes2);
        let other = Passphrase::new("battery staple").unwrap();
        assert_eq!(unlock(&other, &again).map(|_| ()).unwrap_err(), Error::WrongPassphrase);

        let [_, _, _, _, salt, check] = *text.split('$').collect::<Vec<_>>() else { panic!() };
        for (good, bad) in [
            ("v=1", "v=2"),
            ("ln=14", "ln=64"),
            ("ln=14", "ln=0"),
            ("ln=14", "ln=13"),
            ("ln=14", "ln=24"),
            ("r=8", "r=0"),
            ("r=8", "r=1"),
            ("p=1", "p=0"),
            ("p=1", "p=1000"),
            ("p=1", "p=1,q=2"),
            (salt, "AAAA"),
            (check, ""),
            (check, "AAAA$"),
        ] {
            let text = text.replace(good, bad);
            let error = Header::parse(&text).unwrap_err();
            assert!(error.to_string().contains("key header"), "{text}: {error}");
        }
    }

    /// The first half is what RFC 7914 gives for 32 bytes, so OpenSSL derives it too.
    #[test]
    fn the_key_of_pbes2_is_scrypts_alone() {
        let passphrase = Passphrase::new("correct horse").unwrap();
        let (header, keys) = begin(&passphrase).unwrap();
        let mut expected = [0; 32];
        let params = scrypt::Params::new(14, 8, 1).unwrap();
        scrypt::scrypt(b"correct horse", &header.salt, &params, &mut expected).unwrap();
        assert_eq!(*keys.pbes2, expected);
    }
}
