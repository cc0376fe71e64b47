//! Content codings (RFC 9110 section 8.4): gzip (RFC 1952) and deflate (RFC 1950), decoded whole and within caps.

use super::Head;
use crate::reason::Reason;
use alloc::vec;
use alloc::vec::Vec;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

/// The most that a body may grow by decoding. DEFLATE itself stops at about 1000; text seldom passes 20.
const MAX_RATIO: usize = 100;
/// What a body may decode to whatever its ratio: short bodies of repeated text are no bombs.
const FREE_LEN: usize = 64 * 1024;

/// A coding that the gate reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Coding {
    Deflate,
    Gzip,
}

impl Coding {
    /// The coding of a body; `None` for none. Two codings on top of each other are refused, as are unknown ones.
    pub(crate) fn read(head: &Head<'_>) -> Result<Option<Self>, Reason> {
        let mut found = None;
        for value in head.all("content-encoding") {
            let value = core::str::from_utf8(value).map_err(|_| Reason::RequestEncoding)?;
            for name in value.split(',').map(|name| name.trim_matches([' ', '\t'])) {
                let coding = match name.to_ascii_lowercase().as_str() {
                    "identity" => continue,
                    "gzip" | "x-gzip" => Self::Gzip,
                    "deflate" => Self::Deflate,
                    _ => return Err(Reason::RequestEncoding),
                };
                if found.replace(coding).is_some() {
                    return Err(Reason::RequestEncoding);
                }
            }
        }
        Ok(found)
    }

    /// Decodes a whole body. The stream must end where the body ends, and its checksum must hold.
    pub(crate) fn decode(self, body: &[u8], most: usize) -> Result<Vec<u8>, Reason> {
        let most = most.min(body.len().saturating_mul(MAX_RATIO).max(FREE_LEN));
        match self {
            Self::Deflate => match inflate(body, most, inflate_flags::TINFL_FLAG_PARSE_ZLIB_HEADER)? {
                (decoded, []) => Ok(decoded),
                _ => Err(Reason::RequestEncoding),
            },
            Self::Gzip => gunzip(body, most),
        }
    }
}

fn gunzip(body: &[u8], most: usize) -> Result<Vec<u8>, Reason> {
    let stream = skip_gzip_header(body).ok_or(Reason::RequestEncoding)?;
    let (decoded, trailer) = inflate(stream, most, 0)?;
    let length = u32::try_from(decoded.len()).map_err(|_| Reason::RequestTooLarge)?;
    let mut expected = Vec::with_capacity(8);
    expected.extend_from_slice(&crc32fast::hash(&decoded).to_le_bytes());
    expected.extend_from_slice(&length.to_le_bytes());
    // A second member would be a second body to whoever reads only the first.
    if trailer == expected { Ok(decoded) } else { Err(Reason::RequestEncoding) }
}

/// Skips the header of a gzip member (RFC 1952 section 2.3).
fn skip_gzip_header(body: &[u8]) -> Option<&[u8]> {
    const HEADER_CRC: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    const RESERVED: u8 = 0xe0;
    let (header, mut rest) = body.split_first_chunk::<10>()?;
    let [0x1f, 0x8b, 8, flags, ..] = *header else { return None };
    if flags & RESERVED != 0 {
        return None;
    }
    if flags & EXTRA != 0 {
        let (length, extra) = rest.split_first_chunk()?;
        rest = extra.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|&b| b == 0)?;
            rest = rest.get(end.checked_add(1)?..)?;
        }
    }
    if flags & HEADER_CRC != 0 { rest.get(2..) } else { Some(rest) }
}

/// Inflates one DEFLATE stream and returns what stands behind it.
fn inflate(input: &[u8], most: usize, flags: u32) -> Result<(Vec<u8>, &[u8]), Reason> {
    let flags = flags | inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let mut machine = DecompressorOxide::new();
    let mut output = vec![0; input.len().saturating_mul(2).clamp(1024, most.max(1024))];
    let (mut read, mut written) = (0_usize, 0_usize);
    loop {
        let rest = input.get(read..).unwrap_or_default();
        let (status, took, gave) = decompress(&mut machine, rest, &mut output, written, flags);
        read = read.saturating_add(took);
        written = written.saturating_add(gave);
        if written > most {
            return Err(Reason::RequestTooLarge);
        }
        match status {
            TINFLStatus::Done => {
                output.truncate(written);
                return Ok((output, input.get(read..).unwrap_or_default()));
            }
            TINFLStatus::HasMoreOutput if output.len() > most => return Err(Reason::RequestTooLarge),
            // One byte more than may be kept, so that a body of exactly `most` bytes is told from a longer one.
            TINFLStatus::HasMoreOutput => {
                let longer = output
                    .len()
                    .saturating_mul(2)
                    .min(most.saturating_add(1))
                    .max(output.len().saturating_add(1));
                output.resize(longer, 0);
            }
            _ => return Err(Reason::RequestEncoding),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};
    use proptest::prelude::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut body = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        body.extend(compress_to_vec(text, 6));
        body.extend(crc32fast::hash(text).to_le_bytes());
        body.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        body
    }

    #[test]
    fn one_coding_is_read_and_no_more() {
        for (values, expected) in [
            (&["gzip"][..], Ok(Some(Coding::Gzip))),
            (&["X-GZip"], Ok(Some(Coding::Gzip))),
            (&["identity, deflate"], Ok(Some(Coding::Deflate))),
            (&["identity"], Ok(None)),
            (&[], Ok(None)),
            (&["gzip, gzip"], Err(Reason::RequestEncoding)),
            (&["gzip", "deflate"], Err(Reason::RequestEncoding)),
            (&["br"], Err(Reason::RequestEncoding)),
            (&["zstd"], Err(Reason::RequestEncoding)),
            (&[""], Err(Reason::RequestEncoding)),
        ] {
            let pairs: Vec<_> =
                values.iter().map(|value| (&b"content-encoding"[..], value.as_bytes())).collect();
            assert_eq!(Coding::read(&Head::new(&pairs)), expected, "{values:?}");
        }
    }

    #[test]
    fn a_stream_ends_where_its_body_ends() {
        let text = b"{\"a\":1}";
        let whole = gzip(text);
        assert_eq!(Coding::Gzip.decode(&whole, 100).unwrap(), text);
        for length in 0..whole.len() {
            assert!(Coding::Gzip.decode(&whole[..length], 100).is_err(), "{length}");
        }
        assert_eq!(Coding::Gzip.decode(&[&whole[..], b"x"].concat(), 100), Err(Reason::RequestEncoding));
        assert_eq!(
            Coding::Gzip.decode(&[&whole[..], &whole[..]].concat(), 100),
            Err(Reason::RequestEncoding)
        );
        let mut wrong = whole.clone();
        wrong[whole.len() - 5] ^= 1;
        assert_eq!(Coding::Gzip.decode(&wrong, 100), Err(Reason::RequestEncoding));
        let zlib = compress_to_vec_zlib(text, 6);
        assert_eq!(Coding::Deflate.decode(&zlib, 100).unwrap(), text);
        assert_eq!(Coding::Deflate.decode(&compress_to_vec(text, 6), 100), Err(Reason::RequestEncoding));
        assert_eq!(Coding::Deflate.decode(&[&zlib[..], b"x"].concat(), 100), Err(Reason::RequestEncoding));
    }

    #[test]
    fn caps_are_exact_and_bombs_are_refused() {
        let text = vec![b'x'; 5000];
        assert_eq!(Coding::Gzip.decode(&gzip(&text), 5000).unwrap().len(), 5000);
        assert_eq!(Coding::Gzip.decode(&gzip(&text), 4999), Err(Reason::RequestTooLarge));
        let bomb = vec![b'x'; 1 << 20];
        assert_eq!(Coding::Gzip.decode(&gzip(&bomb), 1 << 24), Err(Reason::RequestTooLarge));
    }

    proptest! {
        #[test]
        fn any_text_survives(text in prop::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert_eq!(&Coding::Gzip.decode(&gzip(&text), 1 << 20).unwrap(), &text);
            prop_assert_eq!(&Coding::Deflate.decode(&compress_to_vec_zlib(&text, 6), 1 << 20).unwrap(), &text);
        }

        #[test]
        fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Coding::Gzip.decode(&[&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255][..], &body].concat(), 1 << 16);
            let _ = Coding::Deflate.decode(&body, 1 << 16);
        }
    }
}
