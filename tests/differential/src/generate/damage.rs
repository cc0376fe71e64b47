//! Damage to a text's bytes, whatever they mean.

use super::pick;
use fastrand::Rng;

/// What lenient readers skip, cut off or turn into something else.
#[rustfmt::skip]
const SCRAPS: &[&[u8]] = &[
    b",", b"}", b"]", b"{", b"[", b"\"", b"\\", b"\0", b"//c\n", b"/*c*/", b"#c\n", b"<!--", b"\xef\xbb\xbf",
    b"\xc2\xa0", b"\xe2\x80\xa8", b"\x0b", b"\x0c", b"\x1a", b"\x1b[0m", b"\x7f", b"\xff", b"\xc0\x80",
    b"\xed\xa0\x80", b"\xe3\x80\x80", b";", b"{}", b"null", b" ", b"\t", b"\n", b"\r\n", b"\x1e", b"data: ",
    b")]}'\n", b"+", b"-", b"0", b".", b"e", b"\\u0000", b"\\ud800", b"\\u0022", b":", b"'", b"1", b"\x85",
    b"\x08", b"\xe1\x9a\x80", b"\xe2\x80\x8b", b"\xf0\x9f\x98\x80",
];

type Damage = fn(&mut Vec<u8>, &mut Rng);

const DAMAGES: &[Damage] = &[
    before,
    behind,
    behind,
    within,
    within,
    cut,
    drop_one,
    |body, rng| flip(body, rng),
    repeat,
    |body, rng| exchange(body, rng),
    other_encoding,
];

/// Does one of them.
pub(super) fn damage(body: &mut Vec<u8>, rng: &mut Rng) {
    pick(rng, DAMAGES)(body, rng);
}

fn before(body: &mut Vec<u8>, rng: &mut Rng) {
    insert(body, 0, pick(rng, SCRAPS));
}

fn behind(body: &mut Vec<u8>, rng: &mut Rng) {
    let end = body.len();
    let scrap = if rng.u8(0..6) == 0 { body.clone() } else { pick(rng, SCRAPS).to_vec() };
    insert(body, end, &scrap);
}

fn within(body: &mut Vec<u8>, rng: &mut Rng) {
    let at = rng.usize(..=body.len());
    insert(body, at, pick(rng, SCRAPS));
}

fn insert(body: &mut Vec<u8>, at: usize, scrap: &[u8]) {
    body.splice(at..at, scrap.iter().copied());
}

fn cut(body: &mut Vec<u8>, rng: &mut Rng) {
    body.truncate(rng.usize(..=body.len()));
}

fn drop_one(body: &mut Vec<u8>, rng: &mut Rng) {
    if !body.is_empty() {
        body.remove(rng.usize(..body.len()));
    }
}

fn flip(body: &mut [u8], rng: &mut Rng) {
    let at = rng.usize(..=body.len());
    if let Some(byte) = body.get_mut(at) {
        *byte ^= 1 << rng.u8(..8);
    }
}

fn repeat(body: &mut Vec<u8>, rng: &mut Rng) {
    let from = rng.usize(..=body.len());
    let to = rng.usize(from..=body.len().min(from + 40));
    let piece = body[from..to].to_vec();
    let at = rng.usize(..=body.len());
    insert(body, at, &piece);
}

/// Every double quote for a single one, or all commas for semicolons, and the like.
fn exchange(body: &mut [u8], rng: &mut Rng) {
    let (from, to) =
        pick(rng, &[(b'"', b'\''), (b',', b';'), (b':', b'='), (b' ', 0x0b), (b'{', b'['), (b'\\', b'/')]);
    body.iter_mut().filter(|byte| **byte == from).for_each(|byte| *byte = to);
}

/// The text in UTF-16 or Latin-1, with or without a byte order mark.
fn other_encoding(body: &mut Vec<u8>, rng: &mut Rng) {
    let text = String::from_utf8_lossy(body).into_owned();
    let mark = if rng.bool() { "\u{feff}" } else { "" };
    let units: Vec<u16> = mark.encode_utf16().chain(text.encode_utf16()).collect();
    *body = match rng.u8(0..3) {
        0 => units.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
        1 => units.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
        _ => text.chars().map(|character| u8::try_from(character).unwrap_or(b'?')).collect(),
    };
}
