//! Who may sign, and which bundle may take the place of which.

use super::wire::{DIGEST_LEN, digest_of};
use super::{Bundle, BundleError, KeyId};
use crate::sort::sort;
use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};

/// The most keys of a set, active and retired ones each.
pub const MAX_KEYS: usize = 16;
/// The longest text of a key, in bytes.
const MAX_KEY_TEXT: usize = 1024;

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";
/// How the `SubjectPublicKeyInfo` of every Ed25519 key begins (RFC 8410 section 4); the key's 32 bytes follow.
pub const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A public key that a signature can be checked with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PublicKey(VerifyingKey);

/// The keys that bundles may be signed by, and those that they no longer may.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KeySet {
    active: Vec<PublicKey>,
    retired: Vec<PublicKey>,
}

/// What a loader asks of every bundle.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Trust {
    /// Who may sign. Without, signatures are not looked at.
    pub keys: Option<KeySet>,
    /// The namespace, or the workload in one, that the loader works for. Without, bundles for anyone are taken.
    pub audience: Option<String>,
}

/// What is in force: enough of it to tell whether something else may take its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Active {
    /// Its serial.
    pub serial: u64,
    /// The digest of its payload.
    pub digest: [u8; DIGEST_LEN],
}

/// What a bundle that is accepted changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// It takes the place of what is in force.
    Replace,
    /// It is what is in force.
    Nothing,
}

impl Active {
    /// What is in force once this bundle is.
    pub(crate) fn of(bundle: &Bundle<'_>) -> Self {
        Self { serial: bundle.serial(), digest: *bundle.digest() }
    }
}

impl PublicKey {
    /// The key of these bytes; `None` if they are none, or one for which anybody could make signatures.
    pub fn new(bytes: &[u8; 32]) -> Option<Self> {
        VerifyingKey::from_bytes(bytes)
            .ok()
            .filter(|key| !key.is_weak() && key.to_bytes() == *bytes)
            .map(Self)
    }

    /// Reads a key as PEM (`-----BEGIN PUBLIC KEY-----`, RFC 8410), or its 32 bytes in base64.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let pem = text.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
        if text.len() > MAX_KEY_TEXT {
            return None;
        }
        let body: Vec<u8> = pem.unwrap_or(text).bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        let bytes = STANDARD.decode(body).ok()?;
        let raw = if pem.is_some() { bytes.strip_prefix(&SPKI_PREFIX)? } else { bytes.as_slice() };
        Self::new(raw.try_into().ok()?)
    }

    /// The key's 32 bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// What the key is known by.
    pub fn id(&self) -> KeyId {
        let digest = digest_of(self.0.as_bytes());
        KeyId(digest.first_chunk().copied().unwrap_or_default())
    }

    /// Whether the signature is of these bytes by this key. Strict: one signature has one form, and none is of several texts.
    fn verifies(&self, bytes: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(bytes, &Signature::from_bytes(signature)).is_ok()
    }
}

impl KeySet {
    /// A set with at least one active key, and no key twice.
    pub fn new(active: Vec<PublicKey>, retired: Vec<PublicKey>) -> Option<Self> {
        let sizes = (1..=MAX_KEYS).contains(&active.len()) && retired.len() <= MAX_KEYS;
        let mut ids: Vec<_> = active.iter().chain(&retired).map(PublicKey::id).collect();
        sort(&mut ids);
        let distinct = ids.iter().zip(ids.iter().skip(1)).all(|(a, b)| a != b);
        (sizes && distinct).then_some(Self { active, retired })
    }

    /// The key of the set that signed the bundle. One signature of an active key is enough, whoever else signed; but one that
    /// claims to be of an active key and is not, is forged, and nothing else of that bundle is believed.
    pub fn verify(&self, bundle: &Bundle<'_>) -> Result<KeyId, BundleError> {
        let find = |keys: &[PublicKey], id: KeyId| keys.iter().find(|key| key.id() == id).copied();
        let mut signer = None;
        let (mut signed, mut retired) = (false, None);
        for (id, signature) in bundle.signatures() {
            signed = true;
            if let Some(key) = find(&self.active, id) {
                if !key.verifies(bundle.signed(), signature) {
                    return Err(BundleError::Signature(id));
                }
                signer = signer.or(Some(id));
            } else if find(&self.retired, id).is_some() {
                retired = Some(id);
            }
        }
        match (signer, retired, signed) {
            (Some(id), ..) => Ok(id),
            (None, Some(id), _) => Err(BundleError::RetiredKey(id)),
            (None, None, true) => Err(BundleError::UnknownKey),
            (None, None, false) => Err(BundleError::Unsigned),
        }
    }
}

impl Trust {
    /// Whether a bundle may be put into force at this time, in the place of what is. A bundle with limits of time is refused
    /// where there is no clock.
    pub fn accept(
        &self,
        current: Option<&Active>,
        candidate: &Bundle<'_>,
        now: Option<u64>,
    ) -> Result<Change, BundleError> {
        self.check_origin(candidate)?;
        let valid = candidate.valid();
        let (earliest, latest) = now.map_or((0, u64::MAX), |now| (now, now));
        if earliest < valid.start {
            return Err(BundleError::NotYet);
        }
        // The last second of all has no end.
        if latest >= valid.end && valid.end != u64::MAX {
            return Err(BundleError::Expired);
        }
        match current {
            Some(active) if candidate.serial() < active.serial => Err(BundleError::Older),
            Some(active) if candidate.serial() == active.serial => {
                if *candidate.digest() == active.digest {
                    Ok(Change::Nothing)
                } else {
                    Err(BundleError::Reused)
                }
            }
            _ => Ok(Change::Replace),
        }
    }

    /// Refuses what no key vouches for, and what is for others; whatever the time.
    pub(crate) fn check_origin(&self, candidate: &Bundle<'_>) -> Result<(), BundleError> {
        if let Some(keys) = &self.keys {
            keys.verify(candidate)?;
        }
        match self.audience.as_deref() {
            Some(mine) if !concerns(candidate.audience(), mine) => Err(BundleError::Audience),
            _ => Ok(()),
        }
    }
}

/// Whether a bundle for `audience` is for whoever works for `mine`: for all, for its namespace, or for itself.
fn concerns(audience: &str, mine: &str) -> bool {
    let namespace = mine.split('/').next();
    audience.is_empty() || audience == mine || Some(audience) == namespace
}
