//! CA keys at rest: PKCS#8 `ENCRYPTED PRIVATE KEY`, PBES2 with scrypt (N = 2¹⁴, r = 8, p = 1) and
//! AES-256-CBC, which OpenSSL reads with the passphrase. Its scrypt stops at 32 MiB, so no higher N.

use std::{
    env, fmt, fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use aws_lc_rs::rand;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use pkcs8::{
    AlgorithmIdentifierRef, EncryptedPrivateKeyInfoRef, LineEnding, ObjectIdentifier,
    PrivateKeyInfoRef, SecretDocument,
    der::{asn1::OctetStringRef, pem::PemLabel},
    pkcs5::{EncryptionScheme, pbes2::Kdf},
};
use zeroize::Zeroizing;

use crate::{Error, Result};

const PASSPHRASE_VARIABLE: &str = "CATALYST_PKI_KEY_PASSPHRASE";
const PASSPHRASE_FILE_VARIABLE: &str = "CATALYST_PKI_KEY_PASSPHRASE_FILE";

/// The PEM label of a text that holds a key as its owner wrote it. Under it lies an encrypted PKCS#8
/// structure like those of our own keys, whose algorithm says that there is just data in it.
const TEXT_LABEL: &str = "SEALED PRIVATE KEY TEXT";
const TEXT_BEGIN: &str = "-----BEGIN SEALED PRIVATE KEY TEXT-----";
/// How everything begins that a sealer has encrypted.
pub(in crate::authority) const SEALED: [&str; 2] =
    ["-----BEGIN ENCRYPTED PRIVATE KEY-----", TEXT_BEGIN];
/// RFC 5652 4: `id-data`.
const ID_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");

/// A passphrase: wiped from memory when dropped, never printed.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes a passphrase.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if it is empty.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = Zeroizing::new(text.into());
        if text.is_empty() {
            return Err(Error::argument("passphrase", "it must not be empty"));
        }
        Ok(Passphrase(text))
    }

    fn random() -> Result<Self> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        rand::fill(bytes.as_mut()).map_err(|_| Error::internal("no randomness"))?;
        Ok(Passphrase(Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(bytes.as_ref()))))
    }

    /// Reads a file's content without the line's end.
    fn from_file(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map(Zeroizing::new).map_err(|error| {
            Error::argument("passphrase file", format!("{}: {error}", path.display()))
        })?;
        Passphrase::new(text.trim_end_matches(['\r', '\n'])).map_err(|_| {
            Error::argument("passphrase file", format!("{}: it is empty", path.display()))
        })
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// Where the passphrase of a database comes from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum KeyProtection {
    /// From the caller.
    Passphrase(Passphrase),
    /// From a file: its content without the line's end.
    PassphraseFile(PathBuf),
    /// A random one, made beside the database as `<database>.key` with mode 0600: whoever copies
    /// both has the CA. For development.
    DevelopmentKeyFile,
}

impl KeyProtection {
    /// What the environment says; see [`from_variables`](Self::from_variables).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if a variable is set but empty, or no UTF-8.
    pub fn from_env() -> Result<Self> {
        let read = |name: &'static str| match env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(env::VarError::NotPresent) => Ok(None),
            Err(env::VarError::NotUnicode(_)) => Err(Error::argument(name, "it is not UTF-8")),
        };
        Self::from_variables(read(PASSPHRASE_VARIABLE)?, read(PASSPHRASE_FILE_VARIABLE)?)
    }

    /// By the values of `CATALYST_PKI_KEY_PASSPHRASE`, else `CATALYST_PKI_KEY_PASSPHRASE_FILE`,
    /// else a key file beside the database. For programs whose environment is not the process's:
    /// Bun adds what stands in `.env` files.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if a variable is set but empty.
    pub fn from_variables(passphrase: Option<String>, file: Option<String>) -> Result<Self> {
        let filled = |name: &'static str, value: Option<String>| match value {
            Some(value) if value.is_empty() => Err(Error::argument(name, "it is set but empty")),
            value => Ok(value),
        };
        if let Some(passphrase) = filled(PASSPHRASE_VARIABLE, passphrase)? {
            return Ok(KeyProtection::Passphrase(Passphrase::new(passphrase)?));
        }
        Ok(match filled(PASSPHRASE_FILE_VARIABLE, file)? {
            Some(path) => KeyProtection::PassphraseFile(path.into()),
            None => KeyProtection::DevelopmentKeyFile,
        })
    }
}

/// Encrypts private keys for storage, and decrypts them.
#[derive(Debug, Clone)]
pub struct KeySealer {
    passphrase: Passphrase,
    development_key_file: bool,
}

impl KeySealer {
    /// The sealer of a database in the file `database`. `has_keys` says whether there are keys in
    /// it already: then no new passphrase is made up for it.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if a passphrase can't be read,
    /// [`Error::StoreUnavailable`] if the key file can't be read or written.
    pub fn for_database(
        protection: &KeyProtection,
        database: &Path,
        has_keys: bool,
    ) -> Result<Self> {
        let (passphrase, development_key_file) = match protection {
            KeyProtection::Passphrase(passphrase) => (passphrase.clone(), false),
            KeyProtection::PassphraseFile(path) => (Passphrase::from_file(path)?, false),
            KeyProtection::DevelopmentKeyFile => {
                (development_passphrase(database, has_keys)?, true)
            }
        };
        Ok(KeySealer { passphrase, development_key_file })
    }

    /// A sealer with a random passphrase that nobody will know: for stores in memory.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the operating system gives no randomness.
    pub fn ephemeral() -> Result<Self> {
        Ok(KeySealer { passphrase: Passphrase::random()?, development_key_file: false })
    }

    /// Whether the passphrase lies in a file beside the database.
    #[must_use]
    pub fn uses_development_key_file(&self) -> bool {
        self.development_key_file
    }

    /// Encrypts a private key (PKCS#8, DER) to PEM. Takes about 40 ms: that is scrypt's purpose.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidKey`] if `pkcs8` is no PKCS#8.
    pub fn seal(&self, pkcs8: &[u8]) -> Result<String> {
        let info = PrivateKeyInfoRef::try_from(pkcs8)
            .map_err(|_| Error::InvalidKey("it is not PKCS#8".into()))?;
        self.encrypt(&info, EncryptedPrivateKeyInfoRef::PEM_LABEL)
    }

    /// Decrypts what [`seal`](Self::seal) made, to PKCS#8 in DER.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidKey`] if it is no encrypted PKCS#8, or encrypted at a cost that nothing of
    /// ours has; [`Error::WrongPassphrase`].
    pub fn open(&self, pem: &str) -> Result<SecretDocument> {
        match self.open_text(pem)? {
            None => self.decrypt(pem, EncryptedPrivateKeyInfoRef::PEM_LABEL),
            Some(text) => {
                // The pem crate and not the stricter reader of pkcs8: lines may have any length.
                let block = pem::parse(text.as_bytes()).ok();
                let contents = block
                    .filter(|block| block.tag() == PrivateKeyInfoRef::PEM_LABEL)
                    .map(|block| Zeroizing::new(block.into_contents()));
                contents
                    .and_then(|der| SecretDocument::try_from(der.as_slice()).ok())
                    .ok_or_else(|| Error::InvalidKey("it is not PKCS#8 in PEM".into()))
            }
        }
    }

    /// Whether the passphrase is that of something sealed.
    ///
    /// # Errors
    ///
    /// [`Error::WrongPassphrase`], [`Error::InvalidKey`].
    pub(in crate::authority) fn try_on(&self, sealed: &str) -> Result<()> {
        match self.open_text(sealed)? {
            Some(_) => Ok(()),
            None => self.open(sealed).map(|_| ()),
        }
    }

    /// A key of somebody else's as it is to be stored: what this sealer has encrypted as it is,
    /// anything else as a text. What another passphrase has encrypted is a text like any other: the
    /// store couldn't use it, and would take its own passphrase for a wrong one.
    pub(in crate::authority) fn seal_given(&self, key: &str) -> Result<String> {
        match matches!(self.open_text(key), Ok(None)) && self.open(key).is_ok() {
            true => Ok(key.to_owned()),
            false => self.seal_text(key),
        }
    }

    /// Encrypts a text that holds a private key, in whatever form, so that it comes back to the
    /// letter. What comes out is for [`open_text`](Self::open_text) alone; where the text is PKCS#8
    /// in PEM, for [`open`](Self::open) too.
    pub(in crate::authority) fn seal_text(&self, text: &str) -> Result<String> {
        let content = OctetStringRef::new(text.as_bytes())
            .map_err(|_| Error::InvalidKey("it is too long".into()))?;
        let algorithm = AlgorithmIdentifierRef { oid: ID_DATA, parameters: None };
        self.encrypt(&PrivateKeyInfoRef::new(algorithm, content), TEXT_LABEL)
    }

    /// Decrypts what [`seal_text`](Self::seal_text) made; `None` for what is no such text.
    pub(in crate::authority) fn open_text(&self, pem: &str) -> Result<Option<Zeroizing<String>>> {
        if !pem.starts_with(TEXT_BEGIN) {
            return Ok(None);
        }
        let opened = self.decrypt(pem, TEXT_LABEL)?;
        let info = PrivateKeyInfoRef::try_from(opened.as_bytes()).map_err(|_| unreadable())?;
        let text = std::str::from_utf8(info.private_key.as_bytes()).map_err(|_| unreadable())?;
        Ok(Some(Zeroizing::new(text.to_owned())))
    }

    fn encrypt(&self, info: &PrivateKeyInfoRef<'_>, label: &'static str) -> Result<String> {
        let sealed = info
            .encrypt(self.passphrase.0.as_bytes())
            .map_err(|_| Error::internal("key encryption failed"))?;
        let pem = sealed.to_pem(label, LineEnding::LF).map_err(Error::internal)?;
        Ok(pem.to_string())
    }

    fn decrypt(&self, pem: &str, label: &str) -> Result<SecretDocument> {
        let (found, document) = SecretDocument::from_pem(pem).map_err(|_| unreadable())?;
        if found != label {
            return Err(unreadable());
        }
        let info =
            EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|_| unreadable())?;
        if !is_affordable(&info.encryption_algorithm) {
            return Err(unreadable());
        }
        // CBC has no integrity: with a wrong passphrase one padding in 256 looks right, but what
        // comes out is no PKCS#8, which `decrypt` checks.
        info.decrypt(self.passphrase.0.as_bytes()).map_err(|_| Error::WrongPassphrase)
    }
}

/// Whether trying a passphrase takes no more than OpenSSL allows: records may hold keys of other
/// makes, and scrypt's parameters say how much memory to take.
fn is_affordable(encryption: &EncryptionScheme) -> bool {
    const MOST_MEMORY: u64 = 32 * 1024 * 1024;
    const MOST_ITERATIONS: u32 = 2_000_000;
    let EncryptionScheme::Pbes2(parameters) = encryption else { return false };
    match &parameters.kdf {
        Kdf::Pbkdf2(pbkdf2) => pbkdf2.iteration_count <= MOST_ITERATIONS,
        Kdf::Scrypt(scrypt) => {
            let block = 128 * u64::from(scrypt.block_size);
            let memory = block.saturating_mul(scrypt.cost_parameter);
            memory.saturating_mul(u64::from(scrypt.parallelization)) <= MOST_MEMORY
        }
        _ => false,
    }
}

fn unreadable() -> Error {
    Error::InvalidKey("the stored key is not encrypted PKCS#8".into())
}

fn development_passphrase(database: &Path, has_keys: bool) -> Result<Passphrase> {
    let mut path = database.as_os_str().to_owned();
    path.push(".key");
    let path = PathBuf::from(path);
    let unusable = |message| Error::StoreUnavailable { message, is_retryable: false };
    let unavailable = |error: io::Error| unusable(format!("key file {}: {error}", path.display()));
    match path.try_exists().map_err(unavailable)? {
        true => return Passphrase::from_file(&path),
        false if has_keys => {
            return Err(unusable(format!(
                "the key file {} is missing, and no passphrase is configured: restore it or set \
                 {PASSPHRASE_VARIABLE}",
                path.display()
            )));
        }
        false => {}
    }
    // Written whole under another name (mode 0600 from the start) and then linked, so that of two
    // processes that start at once neither reads half a passphrase nor overwrites the other's.
    let passphrase = Passphrase::random()?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(unavailable)?;
    writeln!(file, "{}", passphrase.0.as_str()).map_err(unavailable)?;
    file.as_file().sync_all().map_err(unavailable)?;
    match file.persist_noclobber(&path) {
        Ok(_) => Ok(passphrase),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Passphrase::from_file(&path)
        }
        Err(error) => Err(unavailable(error.error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Vec<u8> {
        rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_der()
    }

    fn given(passphrase: &str) -> KeySealer {
        let protection = KeyProtection::Passphrase(Passphrase::new(passphrase).unwrap());
        KeySealer::for_database(&protection, Path::new("unused.db"), false).unwrap()
    }

    #[test]
    fn a_sealed_key_opens_with_its_passphrase_alone() {
        let key = key();
        let sealed = given("correct horse").seal(&key).unwrap();
        assert!(sealed.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
        assert_eq!(given("correct horse").open(&sealed).unwrap().as_bytes(), key);
        assert_eq!(given("battery staple").open(&sealed).unwrap_err(), Error::WrongPassphrase);
        assert!(matches!(given("x").open("rubbish"), Err(Error::InvalidKey(_))));
    }

    #[test]
    fn a_sealed_text_comes_back_to_the_letter() {
        let sealer = given("correct horse");
        let pem = pem::encode(&pem::Pem::new("PRIVATE KEY", key()));
        for text in ["", "no key at all\r\n\0", &pem, &pem.replace('\n', "\r\n")] {
            let sealed = sealer.seal_text(text).unwrap();
            assert!(!sealed.contains("BEGIN PRIVATE KEY"));
            assert_eq!(sealer.open_text(&sealed).unwrap().unwrap().as_str(), text);
            let error = given("battery staple").open_text(&sealed).unwrap_err();
            assert_eq!(error, Error::WrongPassphrase);
            match text.contains("PRIVATE KEY") {
                true => assert_eq!(sealer.open(&sealed).unwrap().as_bytes(), key_of(&pem)),
                false => assert!(matches!(sealer.open(&sealed), Err(Error::InvalidKey(_)))),
            }
        }
        assert_eq!(sealer.open_text(&sealer.seal(&key()).unwrap()).unwrap(), None);
    }

    fn key_of(pem: &str) -> Vec<u8> {
        pem::parse(pem).unwrap().into_contents()
    }

    #[test]
    fn a_key_encrypted_at_a_ruinous_cost_is_not_tried() {
        let key = key();
        let info = PrivateKeyInfoRef::try_from(&key[..]).unwrap();
        let mut parameters = pkcs8::pkcs5::pbes2::Parameters::generate();
        let affordable = info.encrypt_with_params(parameters.clone(), "correct horse").unwrap();
        let label = EncryptedPrivateKeyInfoRef::PEM_LABEL;
        given("correct horse").open(&affordable.to_pem(label, LineEnding::LF).unwrap()).unwrap();

        let sealed = EncryptedPrivateKeyInfoRef::try_from(affordable.as_bytes()).unwrap();
        let Kdf::Scrypt(scrypt) = &mut parameters.kdf else { panic!("scrypt is the default") };
        scrypt.block_size = u16::MAX;
        let ruinous = pkcs8::EncryptedPrivateKeyInfoOwned {
            encryption_algorithm: EncryptionScheme::Pbes2(parameters),
            encrypted_data: pkcs8::der::asn1::OctetString::new(sealed.encrypted_data.as_bytes())
                .unwrap(),
        };
        let pem = SecretDocument::encode_msg(&ruinous).unwrap().to_pem(label, LineEnding::LF);
        let error = given("correct horse").open(&pem.unwrap()).unwrap_err();
        assert_eq!(error, unreadable());
    }

    #[test]
    fn a_passphrase_comes_before_its_file_and_neither_may_be_empty() {
        let of = |passphrase: Option<&str>, file: Option<&str>| {
            KeyProtection::from_variables(passphrase.map(Into::into), file.map(Into::into))
        };
        assert!(matches!(of(Some("a"), Some("b")), Ok(KeyProtection::Passphrase(_))));
        assert!(matches!(of(None, Some("b")), Ok(KeyProtection::PassphraseFile(_))));
        assert!(matches!(of(None, None), Ok(KeyProtection::DevelopmentKeyFile)));
        for empty in [of(Some(""), None), of(None, Some(""))] {
            assert!(empty.unwrap_err().to_string().contains("set but empty"));
        }
    }

    #[test]
    fn a_passphrase_is_never_printed() {
        let sealer = given("correct horse");
        assert!(!format!("{sealer:?}").contains("correct"));
    }

    #[test]
    fn the_key_file_is_made_once_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("certs.db");
        let sealer =
            || KeySealer::for_database(&KeyProtection::DevelopmentKeyFile, &database, false);
        let sealed = sealer().unwrap().seal(&key()).unwrap();
        sealer().unwrap().open(&sealed).unwrap();
        let file = folder.path().join("certs.db.key");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

        fs::remove_file(&file).unwrap();
        let error = KeySealer::for_database(&KeyProtection::DevelopmentKeyFile, &database, true)
            .unwrap_err();
        assert!(error.to_string().contains("is missing"), "{error}");
        assert!(!file.exists(), "a new passphrase can't open old keys");
    }
}
