//! Content codings (RFC 9110 section 8.4): gzip (RFC 1952) and deflate (RFC 1950), decoded whole and within caps.

use super::Head;
use crate::digest::CRC_32;
use crate::reason::Reason;
use alloc::vec;
use alloc::vec::Vec;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

/// The most that a body may grow by decoding. DEFLATE itself stops at about 1000; text seldom passes 20.
const MAX_RATIO: usize = 100;
/// What a body may decode to whatever its ratio: short bodies of repeated text are no bombs.
const FREE_LEN: usize = 64 * 1024;

/// How far back DEFLATE refers.
const WINDOW: usize = 32 * 1024;
/// How often it is asked whether a body that comes in pieces grows too much: after as many of its bytes.
const UNIT: usize = 256;
/// The longest header of gzip that is waited for, and how every one begins.
const MAX_HEADER: usize = 4096;
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];

/// A coding that the gate reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Coding {
    Deflate,
    Gzip,
}

impl Coding {
    /// The coding of a body; `None` for none. Two codings on top of each other are refused, as are unknown ones.
    pub(crate) fn read(head: &Head<'_>) -> Result<Option<Self>, Reason> {
        Self::named(head, "content-encoding")
    }

    /// The coding of gRPC's messages, where they are compressed; `None` too for one that the gate does not read.
    pub(crate) fn of_messages(head: &Head<'_>) -> Option<Self> {
        Self::named(head, "grpc-encoding").unwrap_or_default()
    }

    fn named(head: &Head<'_>, header: &str) -> Result<Option<Self>, Reason> {
        let mut found = None;
        for value in head.all(header) {
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

/// A body that is decoded as it comes. It keeps the last 32 KiB, as DEFLATE refers back to them.
pub(crate) struct Decoder {
    coding: Coding,
    stage: Stage,
    machine: DecompressorOxide,
    window: Vec<u8>,
    at: usize,
    checksum: crc::Digest<'static, u32>,
    /// How much has come, and what it was decoded to.
    read: usize,
    written: usize,
}

/// How far a body is decoded.
enum Stage {
    /// What has come of gzip's header.
    Header(Vec<u8>),
    Stream,
    /// What has come of gzip's trailer.
    Trailer(Vec<u8>),
}

impl Decoder {
    pub(crate) fn new(coding: Coding) -> Self {
        let stage = if coding == Coding::Gzip { Stage::Header(Vec::new()) } else { Stage::Stream };
        Self {
            coding,
            stage,
            machine: DecompressorOxide::new(),
            window: vec![0; WINDOW],
            at: 0,
            checksum: CRC_32.digest(),
            read: 0,
            written: 0,
        }
    }

    /// Decodes the next piece, as far as it can be decoded. After the last one, which may be empty, the stream must have ended, and
    /// nothing may stand behind it. What is decoded, and whether it is too much, does not depend on how the body was cut.
    pub(crate) fn push(&mut self, mut piece: &[u8], last: bool, out: &mut Vec<u8>) -> Result<(), Reason> {
        while !piece.is_empty() {
            let unit = UNIT.saturating_sub(self.read.checked_rem(UNIT).unwrap_or(0)).min(piece.len());
            let (unit, rest) = piece.split_at_checked(unit).unwrap_or((piece, &[]));
            piece = rest;
            self.read = self.read.saturating_add(unit.len());
            self.take(unit, out)?;
            if self.read.checked_rem(UNIT) == Some(0) {
                self.check_ratio()?;
            }
        }
        if last && self.read > 0 {
            self.check_ratio()?;
            self.check_end()?;
        }
        Ok(())
    }

    fn take(&mut self, unit: &[u8], out: &mut Vec<u8>) -> Result<(), Reason> {
        match &mut self.stage {
            Stage::Header(header) => {
                header.extend_from_slice(unit);
                if let Some(rest) = skip_gzip_header(header) {
                    let rest = rest.to_vec();
                    self.stage = Stage::Stream;
                    return self.inflate(&rest, out);
                }
                let begins = GZIP.iter().zip(header.iter()).all(|(a, b)| a == b);
                if header.len() > MAX_HEADER || !begins { Err(Reason::RequestEncoding) } else { Ok(()) }
            }
            Stage::Stream => self.inflate(unit, out),
            Stage::Trailer(trailer) => {
                trailer.extend_from_slice(unit);
                if trailer.len() > 8 { Err(Reason::RequestEncoding) } else { Ok(()) }
            }
        }
    }

    fn inflate(&mut self, mut rest: &[u8], out: &mut Vec<u8>) -> Result<(), Reason> {
        let zlib = match self.coding {
            Coding::Deflate => inflate_flags::TINFL_FLAG_PARSE_ZLIB_HEADER,
            Coding::Gzip => 0,
        };
        let flags = zlib | inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
        loop {
            let (status, took, gave) = decompress(&mut self.machine, rest, &mut self.window, self.at, flags);
            rest = rest.get(took..).unwrap_or_default();
            let end = self.at.saturating_add(gave);
            let fresh = self.window.get(self.at..end).unwrap_or_default();
            self.checksum.update(fresh);
            out.extend_from_slice(fresh);
            self.at = if end < WINDOW { end } else { 0 };
            self.written = self.written.saturating_add(gave);
            match status {
                TINFLStatus::Done => {
                    self.stage = Stage::Trailer(rest.to_vec());
                    return Ok(());
                }
                TINFLStatus::NeedsMoreInput => return Ok(()),
                TINFLStatus::HasMoreOutput => {}
                _ => return Err(Reason::RequestEncoding),
            }
        }
    }

    fn check_ratio(&self) -> Result<(), Reason> {
        let most = self.read.saturating_mul(MAX_RATIO).max(FREE_LEN);
        if self.written > most { Err(Reason::RequestTooLarge) } else { Ok(()) }
    }

    fn check_end(&self) -> Result<(), Reason> {
        let Stage::Trailer(trailer) = &self.stage else { return Err(Reason::RequestEncoding) };
        // The length modulo 2^32 (RFC 1952 section 2.3.1).
        let [low @ .., _, _, _, _] = u64::try_from(self.written).unwrap_or(u64::MAX).to_le_bytes();
        let length = u32::from_le_bytes(low);
        let expected = match self.coding {
            Coding::Deflate => Vec::new(),
            Coding::Gzip => [self.checksum.clone().finalize().to_le_bytes(), length.to_le_bytes()].concat(),
        };
        if *trailer == expected { Ok(()) } else { Err(Reason::RequestEncoding) }
    }
}

impl core::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Decoder").field("coding", &self.coding).finish_non_exhaustive()
    }
}

fn gunzip(body: &[u8], most: usize) -> Result<Vec<u8>, Reason> {
    let stream = skip_gzip_header(body).ok_or(Reason::RequestEncoding)?;
    let (decoded, trailer) = inflate(stream, most, 0)?;
    let length = u32::try_from(decoded.len()).map_err(|_| Reason::RequestTooLarge)?;
    let mut expected = Vec::with_capacity(8);
    expected.extend_from_slice(&CRC_32.checksum(&decoded).to_le_bytes());
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
        body.extend(CRC_32.checksum(text).to_le_bytes());
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

    #[test]
    fn a_bomb_is_noticed_while_it_goes_off() {
        let bomb = gzip(&vec![b'x'; 1 << 24]);
        let mut out = Vec::new();
        assert_eq!(Decoder::new(Coding::Gzip).push(&bomb, false, &mut out), Err(Reason::RequestTooLarge));
        assert!(out.len() < 1 << 19, "{}", out.len());
        // What is dense on the whole may begin with what is not.
        let mut text = vec![b'x'; 60_000];
        text.extend((0_u32..9000).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()));
        assert_eq!(Decoder::new(Coding::Gzip).push(&gzip(&text), true, &mut Vec::new()), Ok(()));
    }

    proptest! {
        #[test]
        fn any_text_survives(text in prop::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert_eq!(&Coding::Gzip.decode(&gzip(&text), 1 << 20).unwrap(), &text);
            prop_assert_eq!(&Coding::Deflate.decode(&compress_to_vec_zlib(&text, 6), 1 << 20).unwrap(), &text);
        }

        #[test]
        fn what_comes_in_pieces_is_decoded_as_the_whole_is(
            text in prop::collection::vec(any::<u8>(), 0..3000),
            repeat in 1_usize..40,
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
            damage in prop::option::of((any::<prop::sample::Index>(), 0_u8..8)),
            gzipped in any::<bool>(),
        ) {
            let text = text.repeat(repeat);
            let (coding, mut body) = if gzipped {
                (Coding::Gzip, gzip(&text))
            } else {
                (Coding::Deflate, compress_to_vec_zlib(&text, 6))
            };
            if let Some((at, bit)) = damage {
                let at = at.index(body.len());
                body[at] ^= 1 << bit;
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
            cuts.sort_unstable();
            let in_pieces = |cuts: &[usize]| {
                let (mut decoder, mut out, mut at) = (Decoder::new(coding), Vec::new(), 0);
                let mut done = Ok(());
                for &cut in cuts {
                    done = done.and_then(|()| decoder.push(&body[at..cut], false, &mut out));
                    at = cut;
                }
                (done.and_then(|()| decoder.push(&body[at..], true, &mut out)), out)
            };
            let (done, out) = in_pieces(&cuts);
            prop_assert_eq!((done.clone(), &out), (in_pieces(&[]).0, &in_pieces(&[]).1));
            prop_assert_eq!(done.map(|()| out), coding.decode(&body, 1 << 24));
        }

        #[test]
        fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Coding::Gzip.decode(&[&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255][..], &body].concat(), 1 << 16);
            let _ = Coding::Deflate.decode(&body, 1 << 16);
        }
    }
}
