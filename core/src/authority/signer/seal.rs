//! Private keys at rest.
//!
//! A CA's is PKCS#8 `ENCRYPTED PRIVATE KEY`: PBES2 with scrypt (N = 2¹⁴, r = 8, p = 1) and
//! AES-256-CBC, which OpenSSL reads with the passphrase. A caller's is a text of whatever form, under
//! AES-256-GCM, so that it comes back to the letter and in its own record alone.

use std::{fmt, path::Path, sync::Arc};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce},
    cipher::{
        AES_256, DecryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey,
        UnboundCipherKey,
    },
};
use pkcs8::{
    EncryptedPrivateKeyInfoOwned, EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef,
    SecretDocument,
    der::{asn1::OctetString, pem::PemLabel},
    pkcs5::{
        EncryptionScheme,
        pbes2::{EncryptionScheme as Cipher, Kdf, Parameters, ScryptParams},
    },
};
use zeroize::Zeroizing;

use super::{
    KeyProtection, Passphrase,
    kdf::{self, Cost, Header, Keys},
};
use crate::{
    Error, Result,
    authority::store::{CertificateRecord, CertificateType},
    x509::{PrivateKey, to_pem},
};

/// The PEM label of a caller's key. Under it: the version, the nonce, ciphertext and tag.
const SEALED_LABEL: &str = "SEALED PRIVATE KEY";
const SEALED_BEGIN: &str = "-----BEGIN SEALED PRIVATE KEY-----";
const SEALED_VERSION: u8 = 1;
/// The label of a caller's key as the version before wrote it: PBES2 with a salt of its own, over a
/// PKCS#8 structure whose algorithm says that there is just data in it.
const TEXT_LABEL: &str = "SEALED PRIVATE KEY TEXT";
const TEXT_BEGIN: &str = "-----BEGIN SEALED PRIVATE KEY TEXT-----";
/// How everything begins that a sealer has encrypted.
pub(in crate::authority) const SEALED: [&str; 3] =
    ["-----BEGIN ENCRYPTED PRIVATE KEY-----", SEALED_BEGIN, TEXT_BEGIN];

/// Whose key is sealed: what is sealed for one is not opened for another.
#[derive(Debug, Clone, Copy)]
pub(in crate::authority) enum Owner<'a> {
    /// A CA. Which one, its certificate says: it is held against the key before that is used.
    Ca,
    /// The leaf with this serial.
    Leaf(&'a str),
}

impl<'a> Owner<'a> {
    pub(in crate::authority) fn of(record: &'a CertificateRecord) -> Self {
        match record.certificate_type {
            CertificateType::EndEntity => Owner::Leaf(&record.serial),
            _ => Owner::Ca,
        }
    }

    fn as_aad(&self) -> Aad<Vec<u8>> {
        Aad::from(match self {
            Owner::Ca => b"ca".to_vec(),
            Owner::Leaf(serial) => [b"leaf:", serial.as_bytes()].concat(),
        })
    }
}

/// Encrypts private keys for storage, and decrypts them.
///
/// A store keeps its [`header`](Self::header) beside the keys. To open it costs one scrypt, about
/// 40 ms, whatever is sealed and opened afterwards. Clones share what was derived.
///
/// ```
/// use catalyst_pki::{Error, authority::signer::{KeySealer, Passphrase}};
///
/// let sealer = KeySealer::new(Passphrase::new("correct horse battery staple")?)?;
/// let stored = sealer.header();
/// assert!(KeySealer::unlock(Passphrase::new("correct horse battery staple\n")?, &stored).is_ok());
/// let error = KeySealer::unlock(Passphrase::new("something else")?, &stored).unwrap_err();
/// assert_eq!(error, Error::WrongPassphrase);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct KeySealer(Arc<Sealer>);

struct Sealer {
    passphrase: Passphrase,
    header: Header,
    keys: Keys,
    development_key_file: bool,
}

impl fmt::Debug for KeySealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySealer(..)")
    }
}

impl KeySealer {
    /// A sealer for a store that has none yet.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the operating system gives no randomness.
    pub fn new(passphrase: Passphrase) -> Result<Self> {
        let (header, keys) = kdf::begin(&passphrase)?;
        Ok(Self::of(passphrase, header, keys, false))
    }

    /// The sealer of a store that keeps this header.
    ///
    /// # Errors
    ///
    /// [`Error::WrongPassphrase`]; [`Error::CorruptCaState`] for what is no header, or one that asks
    /// for less work than ours or for more than this library does.
    pub fn unlock(passphrase: Passphrase, header: &str) -> Result<Self> {
        let header = Header::parse(header)?;
        let keys = kdf::unlock(&passphrase, &header)?;
        Ok(Self::of(passphrase, header, keys, false))
    }

    /// A sealer with a random passphrase that nobody will know: for stores in memory. No scrypt
    /// stands before it, as there is nothing to guess.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the operating system gives no randomness.
    pub fn ephemeral() -> Result<Self> {
        let (passphrase, header, keys) = kdf::begin_ephemeral()?;
        Ok(Self::of(passphrase, header, keys, false))
    }

    /// The sealer of the database in the file `database`. `header` is what that keeps, and `has_keys`
    /// says whether it holds keys of the version without one: then no new passphrase is made up.
    pub(in crate::authority) fn for_database(
        protection: &KeyProtection,
        database: &Path,
        header: Option<&str>,
        has_keys: bool,
    ) -> Result<Self> {
        let passphrase = protection.passphrase(database, has_keys || header.is_some())?;
        let Self(sealer) = match header {
            Some(header) => Self::unlock(passphrase, header)?,
            None => Self::new(passphrase)?,
        };
        let mut sealer =
            Arc::into_inner(sealer).ok_or_else(|| Error::internal("a shared sealer"))?;
        sealer.development_key_file = matches!(protection, KeyProtection::DevelopmentKeyFile);
        Ok(KeySealer(Arc::new(sealer)))
    }

    fn of(passphrase: Passphrase, header: Header, keys: Keys, development_key_file: bool) -> Self {
        KeySealer(Arc::new(Sealer { passphrase, header, keys, development_key_file }))
    }

    /// The same passphrase under the header that another process has stored meanwhile.
    pub(in crate::authority) fn under(&self, header: &str) -> Result<Self> {
        let header = Header::parse(header)?;
        if header == self.0.header {
            return Ok(self.clone());
        }
        let keys = kdf::unlock(&self.0.passphrase, &header)?;
        Ok(Self::of(self.0.passphrase.clone(), header, keys, self.0.development_key_file))
    }

    /// What a store keeps to recognize the passphrase: salt and cost of scrypt, and a check value.
    #[must_use]
    pub fn header(&self) -> String {
        self.0.header.to_string()
    }

    /// Whether the passphrase lies in a file beside the database.
    #[must_use]
    pub fn uses_development_key_file(&self) -> bool {
        self.0.development_key_file
    }

    /// Encrypts a private key (PKCS#8, DER) to PEM.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidKey`] if `pkcs8` is no PKCS#8.
    pub fn seal(&self, pkcs8: &[u8]) -> Result<String> {
        PrivateKeyInfoRef::try_from(pkcs8)
            .map_err(|_| Error::InvalidKey("it is not PKCS#8".into()))?;
        // In one piece, padding and all: what grows leaves a part of the key behind in memory.
        let mut data = Zeroizing::new(Vec::with_capacity(pkcs8.len() + 16));
        data.extend_from_slice(pkcs8);
        let context = UnboundCipherKey::new(&AES_256, &*self.0.keys.pbes2)
            .and_then(PaddedBlockEncryptingKey::cbc_pkcs7)
            .and_then(|key| key.encrypt(&mut *data))
            .map_err(Error::internal)?;
        let DecryptionContext::Iv128(iv) = context else {
            return Err(Error::internal("AES-CBC without an initialization vector"));
        };
        let Header { cost, salt, .. } = &self.0.header;
        let kdf = Kdf::Scrypt(ScryptParams {
            salt: salt.as_slice().try_into().map_err(Error::internal)?,
            cost_parameter: cost.n(),
            block_size: cost.r(),
            parallelization: cost.p(),
            key_length: None,
        });
        let sealed = EncryptedPrivateKeyInfoOwned {
            encryption_algorithm: EncryptionScheme::Pbes2(Parameters {
                kdf,
                encryption: Cipher::Aes256Cbc { iv: *iv.as_ref() },
            }),
            encrypted_data: OctetString::new(&**data).map_err(Error::internal)?,
        };
        let document = SecretDocument::encode_msg(&sealed).map_err(Error::internal)?;
        let label = EncryptedPrivateKeyInfoRef::PEM_LABEL;
        let pem = document.to_pem(label, LineEnding::LF).map_err(Error::internal)?;
        Ok(pem.to_string())
    }

    /// Decrypts a CA's key to PKCS#8 in DER: what [`seal`](Self::seal) made, or a key in PEM that a
    /// caller gave for a CA.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidKey`] if it is no such thing, or encrypted at a cost that nothing of ours has;
    /// [`Error::WrongPassphrase`].
    pub fn open(&self, stored: &str) -> Result<SecretDocument> {
        match self.open_text(stored, Owner::Ca)? {
            Some(text) => pkcs8_from_pem(&text),
            None => self.decrypt(stored, EncryptedPrivateKeyInfoRef::PEM_LABEL),
        }
    }

    /// Whether the passphrase is that of something sealed by the version without a header.
    ///
    /// # Errors
    ///
    /// [`Error::WrongPassphrase`], [`Error::InvalidKey`].
    pub(in crate::authority) fn try_on(&self, sealed: &str) -> Result<()> {
        let label = match sealed.starts_with(TEXT_BEGIN) {
            true => TEXT_LABEL,
            false => EncryptedPrivateKeyInfoRef::PEM_LABEL,
        };
        self.decrypt(sealed, label).map(|_| ())
    }

    /// A key of somebody else's as it is to be stored: what this sealer has encrypted as it is,
    /// anything else as a text. What another passphrase has encrypted is a text like any other: the
    /// store couldn't use it, and would take its own passphrase for a wrong one.
    pub(in crate::authority) fn seal_given(&self, key: &str, owner: Owner<'_>) -> Result<String> {
        match self.decrypt(key, EncryptedPrivateKeyInfoRef::PEM_LABEL).is_ok() {
            true => Ok(key.to_owned()),
            false => self.seal_text(key, owner),
        }
    }

    /// What another sealer has sealed, as this one seals it; `None` for what neither has.
    pub(in crate::authority) fn take_over(
        &self,
        theirs: &KeySealer,
        stored: &str,
        owner: Owner<'_>,
    ) -> Result<Option<String>> {
        if let Some(text) = theirs.open_text(stored, owner)? {
            return self.seal_text(&text, owner).map(Some);
        }
        match theirs.decrypt(stored, EncryptedPrivateKeyInfoRef::PEM_LABEL) {
            Ok(pkcs8) => self.seal(pkcs8.as_bytes()).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Encrypts a text that holds a private key, in whatever form, so that it comes back to the
    /// letter. What comes out is for [`open_text`](Self::open_text) alone; where the text is a CA's
    /// key in PEM, for [`open`](Self::open) too.
    pub(in crate::authority) fn seal_text(&self, text: &str, owner: Owner<'_>) -> Result<String> {
        let mut data = Zeroizing::new(Vec::with_capacity(text.len() + AES_256_GCM.tag_len()));
        data.extend_from_slice(text.as_bytes());
        let key = &self.0.keys.records;
        let nonce = key.seal_in_place_append_tag(owner.as_aad(), &mut *data);
        let nonce = nonce.map_err(|_| Error::InvalidKey("it is too long".into()))?;
        let sealed = [&[SEALED_VERSION][..], nonce.as_ref(), &data].concat();
        Ok(to_pem(SEALED_LABEL, &sealed))
    }

    /// Decrypts what [`seal_text`](Self::seal_text) made; `None` for what is no such text.
    pub(in crate::authority) fn open_text(
        &self,
        stored: &str,
        owner: Owner<'_>,
    ) -> Result<Option<Zeroizing<String>>> {
        let text = if stored.starts_with(SEALED_BEGIN) {
            self.decrypt_text(stored, owner)?
        } else if stored.starts_with(TEXT_BEGIN) {
            let opened = self.decrypt(stored, TEXT_LABEL)?;
            let info = PrivateKeyInfoRef::try_from(opened.as_bytes()).map_err(|_| unreadable())?;
            Zeroizing::new(info.private_key.as_bytes().to_vec())
        } else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&text).map_err(|_| unreadable())?;
        Ok(Some(Zeroizing::new(text.to_owned())))
    }

    fn decrypt_text(&self, stored: &str, owner: Owner<'_>) -> Result<Zeroizing<Vec<u8>>> {
        let block = pem::parse(stored).map_err(|_| unreadable())?;
        let mut bytes = Zeroizing::new(block.into_contents());
        let Some((&mut SEALED_VERSION, rest)) = bytes.split_first_mut() else {
            return Err(unreadable());
        };
        let (nonce, data) = rest.split_at_mut_checked(NONCE_LEN).ok_or_else(unreadable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(Error::internal)?;
        // The passphrase was found to be the right one when the store was opened.
        let text = self.0.keys.records.open_in_place(nonce, owner.as_aad(), data);
        let text = text.map_err(|_| {
            Error::InvalidKey("the stored key is damaged, or that of another record".into())
        })?;
        Ok(Zeroizing::new(text.to_vec()))
    }

    fn decrypt(&self, pem: &str, label: &str) -> Result<SecretDocument> {
        let (found, document) = SecretDocument::from_pem(pem).map_err(|_| unreadable())?;
        if found != label {
            return Err(unreadable());
        }
        let info =
            EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|_| unreadable())?;
        let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else {
            return Err(unreadable());
        };
        match (self.is_own(&parameters.kdf), parameters.encryption) {
            (true, Cipher::Aes256Cbc { iv }) => {
                let mut data = Zeroizing::new(info.encrypted_data.as_bytes().to_vec());
                UnboundCipherKey::new(&AES_256, &*self.0.keys.pbes2)
                    .and_then(PaddedBlockDecryptingKey::cbc_pkcs7)
                    .and_then(|key| key.decrypt(&mut data, DecryptionContext::Iv128((&iv).into())))
                    .ok()
                    .and_then(|pkcs8| pkcs8_document(pkcs8))
                    .ok_or_else(|| Error::InvalidKey("the stored key is damaged".into()))
            }
            _ if is_affordable(&parameters.kdf) => {
                // CBC has no integrity: with a wrong passphrase one padding in 256 looks right, but
                // what comes out is no PKCS#8, which `decrypt` checks.
                info.decrypt(self.0.passphrase.as_str().as_bytes())
                    .map_err(|_| Error::WrongPassphrase)
            }
            _ => Err(unreadable()),
        }
    }

    /// Whether a derivation is the one that this sealer has done.
    fn is_own(&self, kdf: &Kdf) -> bool {
        let Kdf::Scrypt(scrypt) = kdf else { return false };
        let Header { cost, salt, .. } = &self.0.header;
        scrypt.salt.as_bytes() == salt && cost_of(scrypt) == Some(*cost)
    }
}

/// Records may hold keys of other makes, whose parameters say how much memory and time to take.
fn is_affordable(kdf: &Kdf) -> bool {
    const MOST_ITERATIONS: u32 = 2_000_000;
    match kdf {
        Kdf::Pbkdf2(pbkdf2) => (1..=MOST_ITERATIONS).contains(&pbkdf2.iteration_count),
        Kdf::Scrypt(scrypt) => cost_of(scrypt).is_some(),
        _ => false,
    }
}

fn cost_of(scrypt: &ScryptParams) -> Option<Cost> {
    Cost::new(scrypt.cost_parameter, scrypt.block_size, scrypt.parallelization)
}

/// The one private key in a PEM text, PKCS#8 or SEC1 (RFC 5915), as PKCS#8; parameters of a curve may
/// stand before it, as OpenSSL puts them there.
///
/// # Errors
///
/// [`Error::InvalidKey`].
pub(in crate::authority) fn pkcs8_from_pem(text: &str) -> Result<SecretDocument> {
    let none = || Error::InvalidKey("it is no private key in PEM, PKCS#8 or SEC1".into());
    // The pem crate and not the stricter reader of pkcs8: lines may have any length.
    let blocks = pem::parse_many(text).map_err(|_| none())?;
    let mut keys = blocks.into_iter().filter(|block| block.tag() != "EC PARAMETERS");
    let (Some(block), None) = (keys.next(), keys.next()) else { return Err(none()) };
    let label = block.tag().to_owned();
    let der = Zeroizing::new(block.into_contents());
    match label.as_str() {
        PrivateKeyInfoRef::PEM_LABEL => pkcs8_document(&der).ok_or_else(none),
        "EC PRIVATE KEY" => {
            let pkcs8 = PrivateKey::from_sec1(&der)?.to_pkcs8()?;
            pkcs8_document(pkcs8.as_ref()).ok_or_else(none)
        }
        EncryptedPrivateKeyInfoRef::PEM_LABEL => Err(Error::InvalidKey(
            "it is encrypted with another passphrase than this store's".into(),
        )),
        _ => Err(none()),
    }
}

fn pkcs8_document(der: &[u8]) -> Option<SecretDocument> {
    PrivateKeyInfoRef::try_from(der).ok()?;
    SecretDocument::try_from(der).ok()
}

fn unreadable() -> Error {
    Error::InvalidKey("the stored key is not encrypted PKCS#8".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Vec<u8> {
        rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_der()
    }

    fn given(passphrase: &str) -> KeySealer {
        KeySealer::new(Passphrase::new(passphrase).unwrap()).unwrap()
    }

    #[test]
    fn a_sealed_key_opens_with_its_passphrase_alone() {
        let key = key();
        let sealed = given("correct horse").seal(&key).unwrap();
        assert!(sealed.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
        // Under another header of the same passphrase: as OpenSSL opens it.
        assert_eq!(given("correct horse").open(&sealed).unwrap().as_bytes(), key);
        assert_eq!(given("battery staple").open(&sealed).unwrap_err(), Error::WrongPassphrase);
        assert!(matches!(given("x").open("rubbish"), Err(Error::InvalidKey(_))));
    }

    #[test]
    fn sealing_and_opening_run_no_scrypt() {
        let sealer = given("correct horse");
        let derivations = kdf::DERIVATIONS.get();
        let (key, other) = (key(), key());
        let sealed = sealer.seal(&key).unwrap();
        assert_ne!(sealed, sealer.seal(&key).unwrap(), "an initialization vector each");
        assert_eq!(sealer.open(&sealed).unwrap().as_bytes(), key);
        assert_eq!(sealer.open(&sealer.seal(&other).unwrap()).unwrap().as_bytes(), other);
        let text = sealer.seal_text("a key", Owner::Leaf("01")).unwrap();
        sealer.open_text(&text, Owner::Leaf("01")).unwrap();
        assert_eq!(kdf::DERIVATIONS.get(), derivations);

        sealer.under(&sealer.header()).unwrap();
        assert_eq!(kdf::DERIVATIONS.get(), derivations);
    }

    #[test]
    fn a_sealed_text_comes_back_to_the_letter() {
        let sealer = given("correct horse");
        let pem = pem::encode(&pem::Pem::new("PRIVATE KEY", key()));
        for text in ["", "no key at all\r\n\0", &pem, &pem.replace('\n', "\r\n")] {
            let sealed = sealer.seal_text(text, Owner::Ca).unwrap();
            assert!(!sealed.contains("BEGIN PRIVATE KEY"));
            let opened = sealer.open_text(&sealed, Owner::Ca).unwrap().unwrap();
            assert_eq!(opened.as_str(), text);
            let other = given("battery staple").open_text(&sealed, Owner::Ca);
            assert!(matches!(other, Err(Error::InvalidKey(_))));
            match text.contains("PRIVATE KEY") {
                true => assert_eq!(sealer.open(&sealed).unwrap().as_bytes(), key_of(&pem)),
                false => assert!(matches!(sealer.open(&sealed), Err(Error::InvalidKey(_)))),
            }
        }
        assert_eq!(sealer.open_text(&sealer.seal(&key()).unwrap(), Owner::Ca).unwrap(), None);
    }

    #[test]
    fn what_is_sealed_for_one_record_opens_for_no_other() {
        let sealer = given("correct horse");
        let sealed = sealer.seal_text("a key", Owner::Leaf("0a")).unwrap();
        for other in [Owner::Ca, Owner::Leaf("0b"), Owner::Leaf("")] {
            assert!(matches!(sealer.open_text(&sealed, other), Err(Error::InvalidKey(_))));
        }
        let mut bytes = pem::parse(&sealed).unwrap().into_contents();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        for bytes in [&bytes[..], &bytes[..12], &[], &[2; 60]] {
            let pem = to_pem(SEALED_LABEL, bytes);
            assert!(matches!(sealer.open_text(&pem, Owner::Leaf("0a")), Err(Error::InvalidKey(_))));
        }
    }

    fn key_of(pem: &str) -> Vec<u8> {
        pem::parse(pem).unwrap().into_contents()
    }

    #[test]
    fn keys_in_sec1_are_read_with_and_without_parameters() {
        let pkcs8 = key();
        let inner = PrivateKeyInfoRef::try_from(&pkcs8[..]).unwrap();
        // RFC 5915, with the curve that in PKCS#8 stands outside.
        let mut sec1 = vec![0x30, 0];
        let curve = [0xA0, 7, 0x06, 5, 0x2B, 0x81, 0x04, 0x00, 0x22];
        let body = &inner.private_key.as_bytes()[3..];
        let (private, public) = body.split_at(3 + 2 + 48);
        sec1.extend([private, &curve, public].concat());
        let length = sec1.len() - 2;
        sec1.splice(1..2, [0x81, u8::try_from(length).unwrap()]);
        let sec1 = pem::encode(&pem::Pem::new("EC PRIVATE KEY", sec1));
        let parameters = pem::encode(&pem::Pem::new("EC PARAMETERS", &curve[2..]));
        for text in [sec1.clone(), format!("{parameters}{sec1}")] {
            let read = pkcs8_from_pem(&text).unwrap();
            let [read, expected] =
                [read.as_bytes(), &pkcs8].map(|der| PrivateKey::from_pkcs8(der).unwrap());
            assert_eq!(read.public_point(), expected.public_point());
        }
        for bad in ["", &parameters, &sec1.repeat(2), &sec1.replace("EC PRI", "RSA PRI")] {
            assert!(matches!(pkcs8_from_pem(bad), Err(Error::InvalidKey(_))), "{bad}");
        }
    }

    /// An encrypted key with parameters as somebody else wrote them.
    fn sealed_at(change: impl FnOnce(&mut ScryptParams)) -> String {
        let key = key();
        let info = PrivateKeyInfoRef::try_from(&key[..]).unwrap();
        let mut parameters = Parameters::generate();
        let sealed = info.encrypt_with_params(parameters.clone(), "correct horse").unwrap();
        let sealed = EncryptedPrivateKeyInfoRef::try_from(sealed.as_bytes()).unwrap();
        let Kdf::Scrypt(scrypt) = &mut parameters.kdf else { panic!("scrypt is the default") };
        change(scrypt);
        let changed = EncryptedPrivateKeyInfoOwned {
            encryption_algorithm: EncryptionScheme::Pbes2(parameters),
            encrypted_data: OctetString::new(sealed.encrypted_data.as_bytes()).unwrap(),
        };
        let label = EncryptedPrivateKeyInfoRef::PEM_LABEL;
        let pem = SecretDocument::encode_msg(&changed).unwrap().to_pem(label, LineEnding::LF);
        pem.unwrap().to_string()
    }

    #[test]
    fn a_key_encrypted_at_a_hostile_cost_is_not_tried() {
        let sealer = given("correct horse");
        sealer.open(&sealed_at(|_| ())).unwrap();
        let changes: [fn(&mut ScryptParams); 7] = [
            |scrypt| scrypt.block_size = u16::MAX,
            |scrypt| scrypt.block_size = 0,
            |scrypt| scrypt.parallelization = 0,
            |scrypt| scrypt.cost_parameter = 0,
            |scrypt| scrypt.cost_parameter = 1,
            |scrypt| scrypt.cost_parameter = 1000,
            |scrypt| scrypt.cost_parameter = u64::MAX,
        ];
        for change in changes {
            assert_eq!(sealer.open(&sealed_at(change)).unwrap_err(), unreadable());
        }
    }

    #[test]
    fn a_sealer_is_never_printed() {
        assert_eq!(format!("{:?}", given("correct horse")), "KeySealer(..)");
    }
}
