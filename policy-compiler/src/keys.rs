//! Keys that bundles are signed with: files in PEM, as `openssl` and others read and write them (RFC 8410).
//!
//! A private key is never printed and never stands in a message. Its file is for its owner alone, and one that is not is refused.

use std::fmt;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sallyport_engine::bundle::{Bundle, BundleError, KeyId, PublicKey, SPKI_PREFIX};

use crate::files;

/// How the `PrivateKeyInfo` of every Ed25519 key begins (RFC 8410 section 7); the key's 32 bytes follow.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// The same with its public key behind it (RFC 5958), as some programs write it.
const PKCS8_V2_PREFIX: [u8; 16] =
    [0x30, 0x51, 0x02, 0x01, 0x01, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// What stands before that public key.
const V2_PUBLIC: [u8; 3] = [0x81, 0x21, 0x00];
const PRIVATE: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";

/// The longest key file, in bytes.
const MAX_FILE: usize = 16 * 1024;
/// What a key file of ours may let nobody else do: anything.
const OTHERS: u32 = 0o077;
/// What one of somebody else's may not: our group may read it, for that is how Kubernetes hands Secrets to a pod with an `fsGroup`.
const OTHERS_THAN_OUR_GROUP: u32 = 0o037;

/// A key to sign with. Its memory is wiped when it is dropped.
pub struct SecretKey(SigningKey);

/// Why a key file cannot be used, and what to do.
#[derive(Debug)]
pub enum KeyError {
    /// It cannot be read, written or made.
    Io(io::Error),
    /// Others than its owner may read or change it.
    Open(u32),
    /// It holds no Ed25519 key of this kind.
    NotAKey(&'static str),
}

// === impl SecretKey ===

impl SecretKey {
    /// A new key, from the system's randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| KeyError::Io(io::Error::other(error)))?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Reads a key file that is for us alone: nobody but its owner can read it, or, if that is somebody else, the owner and our group.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let file = path.metadata()?;
        let mode = file.permissions().mode();
        if mode & forbidden(file.uid(), rustix::process::geteuid().as_raw()) != 0 {
            return Err(KeyError::Open(mode & 0o777));
        }
        Self::parse(&read_text(path)?).ok_or(KeyError::NotAKey(PRIVATE))
    }

    /// Reads a key in PEM.
    pub fn parse(pem: &str) -> Option<Self> {
        let der = unwrap(pem, PRIVATE)?;
        let (key, claimed) = match der.strip_prefix(&PKCS8_PREFIX) {
            Some(key) => (key, None),
            None => {
                let (key, rest) = der.strip_prefix(&PKCS8_V2_PREFIX)?.split_at_checked(32)?;
                (key, Some(rest.strip_prefix(&V2_PUBLIC)?))
            }
        };
        let key = SigningKey::from_bytes(key.try_into().ok()?);
        let consistent = claimed.is_none_or(|claimed| claimed == key.verifying_key().as_bytes());
        consistent.then_some(Self(key))
    }

    /// Writes the key into a new file that only its owner can read; it appears whole or not at all.
    pub fn write_new(&self, path: &Path) -> Result<(), KeyError> {
        write_new(path, &wrap(PRIVATE, &[&PKCS8_PREFIX[..], self.0.as_bytes()].concat()), 0o600)
    }

    /// The public key that goes with it.
    pub fn public(&self) -> Option<PublicKey> {
        PublicKey::new(self.0.verifying_key().as_bytes())
    }

    /// The signature of bytes that are no bundle, and say themselves what they are, so that they can be taken for nothing else.
    pub(crate) fn sign_bytes(&self, bytes: &[u8]) -> [u8; 64] {
        self.0.sign(bytes).to_bytes()
    }

    /// The signature of a bundle.
    fn sign(&self, bundle: &Bundle<'_>) -> Option<(KeyId, [u8; 64])> {
        Some((self.public()?.id(), self.0.sign(bundle.signed()).to_bytes()))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// The bundle with the signatures that it has and those of these keys.
pub fn sign(bundle: &[u8], keys: &[SecretKey]) -> Result<Vec<u8>, BundleError> {
    let bundle = Bundle::read(bundle)?;
    let fresh: Vec<_> = keys.iter().filter_map(|key| key.sign(&bundle)).collect();
    let stays = |id: &KeyId| fresh.iter().all(|(known, _)| known != id);
    let mut all: Vec<_> =
        bundle.signatures().filter(|(id, _)| stays(id)).map(|(id, signature)| (id, *signature)).collect();
    all.extend(&fresh);
    bundle.signed_by(&all)
}

/// Whether a signature of bytes is by this key. Keys and signatures of which there could be several readings are by nobody.
pub(crate) fn verifies(key: &PublicKey, bytes: &[u8], signature: &[u8]) -> bool {
    let key = VerifyingKey::from_bytes(&key.to_bytes());
    let signature = Signature::from_slice(signature);
    key.ok().zip(signature.ok()).is_some_and(|(key, signature)| key.verify_strict(bytes, &signature).is_ok())
}

/// Reads a file with a public key: PEM, or its 32 bytes in base64.
pub fn read_public(path: &Path) -> Result<PublicKey, KeyError> {
    PublicKey::parse(&read_text(path)?).ok_or(KeyError::NotAKey(PUBLIC))
}

/// What a file with a public key of any kind holds, without its PEM; nothing if it is none.
pub(crate) fn read_public_der(path: &Path) -> Result<Option<Vec<u8>>, KeyError> {
    Ok(unwrap(&read_text(path)?, PUBLIC))
}

/// Writes a public key into a new file that everybody may read.
pub fn write_public(key: &PublicKey, path: &Path) -> Result<(), KeyError> {
    write_new(path, &public_pem(key), 0o644)
}

/// A public key in PEM.
pub fn public_pem(key: &PublicKey) -> String {
    wrap(PUBLIC, &[&SPKI_PREFIX[..], &key.to_bytes()].concat())
}

fn wrap(label: &str, der: &[u8]) -> String {
    // Keys of this kind are one line of base64.
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn unwrap(pem: &str, label: &str) -> Option<Vec<u8>> {
    let rest = pem.trim().strip_prefix(&format!("-----BEGIN {label}-----"))?;
    let body = rest.strip_suffix(&format!("-----END {label}-----"))?;
    let compact: Vec<u8> = body.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    STANDARD.decode(compact).ok()
}

fn read_text(path: &Path) -> Result<String, KeyError> {
    let bytes = files::read_at_most(path, MAX_FILE)?.unwrap_or_default();
    // What is no text is no key either.
    Ok(String::from_utf8(bytes).unwrap_or_default())
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), KeyError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A temporary file is for its owner alone from its first moment; so is what becomes of it, until it is whole.
    let mut file = tempfile::Builder::new().tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    std::fs::File::open(directory)?.sync_all()?;
    Ok(())
}

// === impl KeyError ===

impl From<io::Error> for KeyError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::AlreadyExists => f.write_str(
                "the file is there already, and keys are not overwritten: name another, or move it away",
            ),
            Self::Io(error) => write!(f, "{error}"),
            Self::Open(mode) => write!(
                f,
                "others than its owner may use this private key (mode {mode:03o}): run `chmod 600` on it, and if they could have read \
                 it, make a new one with `policy-compiler keygen`"
            ),
            Self::NotAKey(label) => write!(
                f,
                "this is no Ed25519 key in PEM with `-----BEGIN {label}-----`: make one with `policy-compiler keygen`, or with \
                 `openssl genpkey -algorithm ed25519`"
            ),
        }
    }
}

impl std::error::Error for KeyError {}

/// The permissions that a key file of this owner may not have when we read it.
fn forbidden(owner: u32, we: u32) -> u32 {
    if owner == we { OTHERS } else { OTHERS_THAN_OUR_GROUP }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file_and_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        let key = SecretKey::generate().unwrap();
        key.write_new(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(SecretKey::read(&path).unwrap().public(), key.public());
        assert!(key.write_new(&path).unwrap_err().to_string().contains("not overwritten"));
        assert_eq!(folder.path().read_dir().unwrap().count(), 1, "no temporary file stays");
        for mode in [0o640, 0o604, 0o660, 0o601] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let why = SecretKey::read(&path).unwrap_err().to_string();
            assert!(why.contains("chmod 600") && why.contains(&format!("{mode:03o}")), "{why}");
        }
        assert_ne!(SecretKey::generate().unwrap().public(), key.public());
        assert_eq!(format!("{key:?}"), "SecretKey(..)");
    }

    #[test]
    fn a_key_of_somebody_else_may_be_handed_to_our_group() {
        let refused = |mode: u32, owner| mode & forbidden(owner, 1000) != 0;
        assert!(!refused(0o440, 0) && !refused(0o400, 0) && !refused(0o640, 0), "as a Secret is mounted");
        for mode in [0o444, 0o660, 0o450, 0o404] {
            assert!(refused(mode, 0), "{mode:03o}");
        }
        assert!(refused(0o440, 1000) && !refused(0o400, 1000), "ours is for us alone");
    }

    #[test]
    fn public_keys_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pub");
        let public = SecretKey::generate().unwrap().public().unwrap();
        write_public(&public, &path).unwrap();
        assert_eq!(read_public(&path).unwrap(), public);
        std::fs::write(folder.path().join("b"), STANDARD.encode(public.to_bytes())).unwrap();
        assert_eq!(read_public(&folder.path().join("b")).unwrap(), public);
        std::fs::write(folder.path().join("c"), [0xff; 9]).unwrap();
        assert!(read_public(&folder.path().join("c")).unwrap_err().to_string().contains("PUBLIC KEY"));
    }

    #[test]
    fn only_keys_of_this_kind_are_read() {
        // RFC 8032 section 7.1, test 1, and its public key.
        let seed: Vec<u8> =
            (0..32).map(|at| u8::from_str_radix(&SEED[2 * at..2 * at + 2], 16).unwrap()).collect();
        let key = SigningKey::from_bytes(seed.as_slice().try_into().unwrap());
        let public = key.verifying_key().to_bytes();
        let v1 = [&PKCS8_PREFIX[..], &seed].concat();
        let v2 = [&PKCS8_V2_PREFIX[..], &seed, &V2_PUBLIC, &public].concat();
        for der in [&v1, &v2] {
            let read = SecretKey::parse(&wrap(PRIVATE, der)).unwrap();
            assert_eq!(read.public().unwrap().to_bytes(), public);
        }
        let mut inconsistent = v2.clone();
        *inconsistent.last_mut().unwrap() ^= 1;
        let mut x25519 = v1.clone();
        x25519[11] = 0x6e;
        for der in [&inconsistent[..], &x25519, &v1[..47], &v2[..48], &seed, &[]] {
            assert!(SecretKey::parse(&wrap(PRIVATE, der)).is_none());
        }
        assert!(SecretKey::parse(&wrap(PUBLIC, &v1)).is_none());
    }

    const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
}
