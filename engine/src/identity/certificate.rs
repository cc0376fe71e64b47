//! The URI subject alternative names of an X.509 certificate in PEM (RFC 7468, RFC 5280 section 4.2.1.6).
//!
//! Envoy shows a filter only the first URI SAN, but a certificate with two is no X.509-SVID and must be refused, so the
//! filter looks for itself. Envoy has validated the certificate; this reader only walks its DER, and answers `None` to
//! anything it does not expect.

use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The longest certificate read, in bytes of PEM.
const MAX_PEM_LEN: usize = 64 * 1024;
/// The most URI names returned; more than one is refused by the caller anyway.
const MAX_NAMES: usize = 16;

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

const SEQUENCE: u8 = 0x30;
const OID: u8 = 0x06;
const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;
/// `[3] EXPLICIT Extensions` of a TBSCertificate.
const EXTENSIONS: u8 = 0xa3;
/// `uniformResourceIdentifier [6] IA5String` of a GeneralName.
const URI: u8 = 0x86;
/// id-ce-subjectAltName, 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// Every URI SAN of the first certificate in `pem`, in order; `None` if it cannot be read.
pub fn uri_sans(pem: &[u8]) -> Option<Vec<Vec<u8>>> {
    let der = first_certificate(pem)?;
    let mut certificate = Der(Der(&der).expect(SEQUENCE)?);
    let mut fields = Der(certificate.expect(SEQUENCE)?);
    while let Some((tag, value)) = fields.next() {
        if tag == EXTENSIONS {
            return names(Der(Der(value).expect(SEQUENCE)?));
        }
    }
    fields.0.is_empty().then(Vec::new)
}

fn first_certificate(pem: &[u8]) -> Option<Vec<u8>> {
    let pem = pem.get(..pem.len().min(MAX_PEM_LEN))?;
    let start = find(pem, BEGIN)?.checked_add(BEGIN.len())?;
    let body = pem.get(start..)?;
    let body = body.get(..find(body, END)?)?;
    let mut compact = Vec::with_capacity(body.len());
    body.split(u8::is_ascii_whitespace).for_each(|line| compact.extend_from_slice(line));
    STANDARD.decode(compact).ok()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    // What a certificate's Base64 never holds is looked for first.
    haystack.windows(needle.len()).position(|window| window.first() == needle.first() && window == needle)
}

/// Reads `Extensions`. A second subjectAltName is refused: which one counts would be anybody's guess.
fn names(mut extensions: Der<'_>) -> Option<Vec<Vec<u8>>> {
    let mut found = None;
    while let Some((tag, value)) = extensions.next() {
        let mut extension = Der(value);
        if tag != SEQUENCE {
            return None;
        }
        if extension.expect(OID)? != SUBJECT_ALT_NAME {
            continue;
        }
        let (mut tag, mut value) = extension.next()?;
        if tag == BOOLEAN {
            (tag, value) = extension.next()?;
        }
        if tag != OCTET_STRING || found.is_some() {
            return None;
        }
        found = Some(uris(Der(Der(value).expect(SEQUENCE)?))?);
    }
    extensions.0.is_empty().then(|| found.unwrap_or_default())
}

fn uris(mut general_names: Der<'_>) -> Option<Vec<Vec<u8>>> {
    let mut uris = Vec::new();
    while let Some((tag, value)) = general_names.next() {
        if tag == URI {
            uris.push(value.to_vec());
        }
        if uris.len() > MAX_NAMES {
            return None;
        }
    }
    general_names.0.is_empty().then_some(uris)
}

/// A run of DER values (X.690 section 10: definite lengths in their shortest form).
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Takes one value off the front. `None` at the end, and also where the bytes are no DER: then they are left standing.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = digits
                    .iter()
                    .try_fold(0_usize, |n, &d| n.checked_mul(256)?.checked_add(usize::from(d)))?;
                (length, rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, value))
    }

    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, value)| value)
    }
}
