//! A bundle's bytes, cut into sections. Every field is held to its limits before anything is made of it.

use super::{BundleError, ENGINE, FORMAT, MAGIC, MAX_LEN, Terms};
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;
use sha2::{Digest as _, Sha512_256};

/// Bytes of a digest.
pub const DIGEST_LEN: usize = 32;
/// The most signatures of one bundle: while keys are changed there are two or three.
pub const MAX_SIGNATURES: usize = 8;
/// The longest audience, in bytes.
pub const MAX_AUDIENCE_LEN: usize = 512;

/// Bytes of the header without its audience.
const HEADER_LEN: usize = 80;
const SIGNATURE_LEN: usize = 64;
const KEY_ID_LEN: usize = 8;
/// Bytes of a key's number and its signature.
const SIGNED_LEN: usize = KEY_ID_LEN + SIGNATURE_LEN;

/// What a key is known by in bundles, messages and logs: the first bytes of its digest.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyId(pub [u8; KEY_ID_LEN]);

/// A bundle whose structure holds and whose payload is the one that its header names. Nothing says yet who made it.
#[derive(Clone, Copy, Debug)]
pub struct Bundle<'b> {
    header: &'b [u8],
    payload: &'b [u8],
    signatures: &'b [u8],
    serial: u64,
    not_before: u64,
    not_after: u64,
    audience: &'b str,
    digest: &'b [u8; DIGEST_LEN],
}

/// Reads fields one after another.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn bytes(&mut self, length: usize) -> Result<&'b [u8], BundleError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(BundleError::Length)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<&'b [u8; N], BundleError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(BundleError::Length)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, BundleError> {
        self.array().map(|bytes| u16::from_le_bytes(*bytes))
    }

    fn u32(&mut self) -> Result<u32, BundleError> {
        self.array().map(|bytes| u32::from_le_bytes(*bytes))
    }

    fn u64(&mut self) -> Result<u64, BundleError> {
        self.array().map(|bytes| u64::from_le_bytes(*bytes))
    }

    /// The zeros that bring a section of this length to a multiple of four.
    fn padding(&mut self, length: usize) -> Result<(), BundleError> {
        let zeros = self.bytes(padding(length))?;
        if zeros.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(BundleError::Header) }
    }
}

impl<'b> Bundle<'b> {
    /// Cuts bytes into the sections of a bundle.
    pub fn read(bytes: &'b [u8]) -> Result<Self, BundleError> {
        let mut fields = Fields(bytes.strip_prefix(MAGIC).ok_or(BundleError::NotABundle)?);
        if bytes.len() > MAX_LEN {
            return Err(BundleError::Length);
        }
        let format = fields.u16()?;
        if format != FORMAT {
            return Err(BundleError::Format(format));
        }
        let audience_len = usize::from(fields.u16()?);
        let engine = fields.u32()?;
        if engine == 0 || engine > ENGINE {
            return Err(BundleError::Engine(engine));
        }
        let payload_len = usize::try_from(fields.u32()?).map_err(|_| BundleError::Length)?;
        let (reserved, serial) = (fields.u32()?, fields.u64()?);
        let (not_before, not_after) = (fields.u64()?, fields.u64()?);
        let digest = fields.array()?;
        if reserved != 0 || not_after <= not_before || audience_len > MAX_AUDIENCE_LEN {
            return Err(BundleError::Header);
        }
        let audience = core::str::from_utf8(fields.bytes(audience_len)?).map_err(|_| BundleError::Header)?;
        if !audience.is_empty() && !is_audience(audience) {
            return Err(BundleError::Header);
        }
        fields.padding(audience_len)?;
        let header = bytes.get(..header_len(audience_len)).ok_or(BundleError::Length)?;
        let payload = fields.bytes(payload_len)?;
        fields.padding(payload_len)?;
        let signatures = fields.0;
        check_signatures(signatures)?;
        if digest_of(payload) != *digest {
            return Err(BundleError::Digest);
        }
        Ok(Self { header, payload, signatures, serial, not_before, not_after, audience, digest })
    }

    /// The number of this publication.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// The seconds since 1970 at which the bundle may be put into force.
    pub fn valid(&self) -> Range<u64> {
        self.not_before..self.not_after
    }

    /// The namespace or workload that the bundle is for; empty if for all.
    pub fn audience(&self) -> &'b str {
        self.audience
    }

    /// The digest of the payload.
    pub fn digest(&self) -> &'b [u8; DIGEST_LEN] {
        self.digest
    }

    /// The encoded policy.
    pub(super) fn payload(&self) -> &'b [u8] {
        self.payload
    }

    /// The bytes that signatures are over: the header, which names the payload by its digest.
    pub fn signed(&self) -> &'b [u8] {
        self.header
    }

    /// The signatures, by the keys that they claim to be of.
    pub fn signatures(&self) -> impl Iterator<Item = (KeyId, &'b [u8; SIGNATURE_LEN])> {
        self.signatures.chunks_exact(SIGNED_LEN).filter_map(|signed| {
            let (id, rest) = signed.split_first_chunk()?;
            Some((KeyId(*id), rest.first_chunk()?))
        })
    }

    /// The same bundle with other signatures, sorted by their keys.
    pub fn signed_by(&self, signatures: &[(KeyId, [u8; SIGNATURE_LEN])]) -> Result<Vec<u8>, BundleError> {
        let mut sorted = signatures.to_vec();
        sorted.sort_unstable_by_key(|(id, _)| *id);
        let mut bytes = self.header.to_vec();
        bytes.extend_from_slice(self.payload);
        pad(&mut bytes);
        let before = bytes.len();
        for (id, signature) in &sorted {
            bytes.extend_from_slice(&id.0);
            bytes.extend_from_slice(signature);
        }
        check_signatures(bytes.get(before..).unwrap_or_default())?;
        if bytes.len() > MAX_LEN { Err(BundleError::TooLong) } else { Ok(bytes) }
    }
}

/// Each key signs once, and the order is theirs, so that the same signatures are the same bytes.
fn check_signatures(signatures: &[u8]) -> Result<(), BundleError> {
    let all = signatures.chunks_exact(SIGNED_LEN);
    if !all.remainder().is_empty() || all.len() > MAX_SIGNATURES {
        return Err(BundleError::Length);
    }
    let id = |signed: &'_ [u8]| signed.first_chunk::<KEY_ID_LEN>().copied();
    let sorted = all.clone().zip(all.skip(1)).all(|(a, b)| id(a) < id(b));
    if sorted { Ok(()) } else { Err(BundleError::Header) }
}

/// A payload, whatever it is, as a bundle that nobody signed.
pub fn frame(payload: &[u8], serial: u64, terms: &Terms) -> Result<Vec<u8>, BundleError> {
    let audience = terms.audience.as_deref().unwrap_or_default();
    let fits = audience.is_empty() || (audience.len() <= MAX_AUDIENCE_LEN && is_audience(audience));
    if !fits || terms.not_after <= terms.not_before {
        return Err(BundleError::Header);
    }
    let payload_len = u32::try_from(payload.len()).map_err(|_| BundleError::TooLong)?;
    let audience_len = u16::try_from(audience.len()).map_err(|_| BundleError::Header)?;
    let room = header_len(audience.len()).saturating_add(payload.len()).saturating_add(4);
    let mut bytes = Vec::with_capacity(room);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&audience_len.to_le_bytes());
    bytes.extend_from_slice(&ENGINE.to_le_bytes());
    bytes.extend_from_slice(&payload_len.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    for number in [serial, terms.not_before, terms.not_after] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&digest_of(payload));
    bytes.extend_from_slice(audience.as_bytes());
    pad(&mut bytes);
    bytes.extend_from_slice(payload);
    pad(&mut bytes);
    if bytes.len() > MAX_LEN { Err(BundleError::TooLong) } else { Ok(bytes) }
}

/// Whether a text names an audience: `namespace` or `namespace/workload`, as Kubernetes names them.
pub fn is_audience(text: &str) -> bool {
    let label = |label: &str| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
        let edges = label.starts_with('-') || label.ends_with('-');
        (1..=253).contains(&label.len()) && label.bytes().all(inner) && !edges
    };
    let (namespace, workload) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
    label(namespace) && workload.is_none_or(label)
}

pub(super) fn digest_of(bytes: &[u8]) -> [u8; DIGEST_LEN] {
    Sha512_256::digest(bytes).into()
}

fn header_len(audience_len: usize) -> usize {
    HEADER_LEN.saturating_add(audience_len).saturating_add(padding(audience_len))
}

/// What brings a length to a multiple of four.
fn padding(length: usize) -> usize {
    length.wrapping_neg() & 3
}

fn pad(bytes: &mut Vec<u8>) {
    let length = bytes.len().saturating_add(padding(bytes.len()));
    bytes.resize(length, 0);
}

impl core::fmt::Display for KeyId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.hex())
    }
}

impl KeyId {
    /// In hexadecimal, as messages show it.
    pub fn hex(&self) -> String {
        let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('?');
        self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }
}
