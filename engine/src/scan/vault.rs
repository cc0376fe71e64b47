//! Values that were taken out of a request, and the tokens that went on in their place: where one comes back, the value is put there
//! again. Both live as long as their exchange, and nobody else sees the values: not even `Debug` shows them.

use super::DetectorId;
use crate::digest::hmac;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The most values of an exchange, and how many bytes they may be: what is more is replaced by labels.
const MOST_VALUES: usize = 256;
const MOST_BYTES: usize = 65_536;
/// What every token begins with.
const BEGIN: &str = "[REDACTED:";
/// How many bytes of an HMAC a token shows.
const SHOWN: usize = 8;

/// The detector of what is put back.
pub(super) const RESTORED: DetectorId = DetectorId(u16::MAX);

/// The values of one exchange.
#[derive(Default)]
pub struct Vault {
    /// What makes its tokens other than those of any other exchange.
    salt: u64,
    /// Tokens and values.
    kept: Vec<(String, String)>,
    bytes: usize,
}

impl Vault {
    /// A vault for an exchange; `salt` is a number that no other has.
    pub(crate) fn new(salt: u64) -> Self {
        Self { salt, ..Self::default() }
    }

    /// Whether nothing is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The token for a value that a detector found, by a key that nobody knows who reads it. None for a value that would have to be
    /// written otherwise somewhere, or that there is no room for.
    pub(crate) fn token(&mut self, id: &str, value: &[u8], key: &[u8]) -> Option<String> {
        let value = core::str::from_utf8(value).ok()?;
        if value.contains(|c: char| c.is_control() || matches!(c, '"' | '\\')) {
            return None;
        }
        let salted = [&self.salt.to_be_bytes(), value.as_bytes()].concat();
        // Letters: digits would be looked at for what they could be the number of.
        let letter = |nibble: u8| char::from(b'a'.saturating_add(nibble));
        let letters =
            hmac(key, &salted).into_iter().take(SHOWN).flat_map(|of| [letter(of >> 4), letter(of & 15)]);
        let token = [BEGIN, id, ":", &letters.collect::<String>(), "]"].concat();
        if let Some(known) = self.value(token.as_bytes()) {
            return (known == value).then_some(token);
        }
        let bytes = self.bytes.saturating_add(value.len());
        if self.kept.len() >= MOST_VALUES || bytes > MOST_BYTES {
            return None;
        }
        self.bytes = bytes;
        self.kept.push((token.clone(), value.into()));
        Some(token)
    }

    /// The value that a token stands for.
    pub(super) fn value(&self, token: &[u8]) -> Option<&str> {
        self.kept.iter().find(|(known, _)| known.as_bytes() == token).map(|(_, value)| value.as_str())
    }

    /// Reports every token in a text from an offset on, and its value. Returns where the text ends in what could become one; its length
    /// if it does not.
    pub(super) fn find(&self, text: &[u8], from: usize, report: &mut dyn FnMut(usize, usize, &str)) -> usize {
        let mut at = from;
        while !self.is_empty()
            && let Some(rest) = text.get(at..)
        {
            let Some(ahead) = rest.iter().position(|&byte| byte == b'[') else { break };
            let start = at.saturating_add(ahead);
            let rest = rest.get(ahead..).unwrap_or_default();
            at = start.saturating_add(1);
            if rest.iter().zip(BEGIN.as_bytes()).any(|(a, b)| a != b) {
                continue;
            }
            for (token, value) in &self.kept {
                let token = token.as_bytes();
                if rest.starts_with(token) {
                    at = start.saturating_add(token.len());
                    report(start, at, value);
                    break;
                }
                if token.starts_with(rest) {
                    return start;
                }
            }
        }
        text.len()
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("values", &self.kept.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    const KEY: [u8; 32] = [7; 32];

    #[test]
    fn a_token_is_of_its_value_exchange_and_key() {
        let token = |salt, value: &[u8], key: &[u8]| Vault::new(salt).token("iban", value, key).unwrap();
        let one = token(1, b"DE89", &KEY);
        assert_eq!(one, token(1, b"DE89", &KEY));
        assert!(one.starts_with("[REDACTED:iban:") && one.len() == "[REDACTED:iban:]".len() + 16);
        for other in [token(2, b"DE89", &KEY), token(1, b"DE88", &KEY), token(1, b"DE89", &[8; 32])] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn only_what_reads_the_same_everywhere_is_kept_and_not_without_end() {
        let mut vault = Vault::new(0);
        for value in [&b"a\"b"[..], b"a\\b", b"a\nb", b"\xff"] {
            assert_eq!(vault.token("x", value, &KEY), None);
        }
        let tokens = (0..300).filter_map(|n| vault.token("x", format!("value {n}").as_bytes(), &KEY));
        assert_eq!(tokens.count(), MOST_VALUES);
        assert!(vault.token("x", b"value 0", &KEY).is_some());
        assert_eq!(Vault::new(0).token("x", &[b'a'; MOST_BYTES + 1], &KEY), None);
    }

    #[test]
    fn debug_shows_no_value() {
        let mut vault = Vault::new(0);
        vault.token("x", b"hidden", &KEY);
        assert_eq!(format!("{vault:?}"), "Vault { values: 1, .. }");
    }

    #[test]
    fn tokens_are_found_whole_and_begun() {
        let mut vault = Vault::new(0);
        let (one, two) = (vault.token("x", b"1", &KEY).unwrap(), vault.token("x", b"2", &KEY).unwrap());
        let find = |text: &str| {
            let mut found = Vec::new();
            let open = vault.find(text.as_bytes(), 0, &mut |start, end, value| {
                found.push((start, end, String::from(value)))
            });
            (found, open)
        };
        let text = format!("[{one}{two}[REDACTED:x]");
        let (a, b) = (1 + one.len(), 1 + one.len() + two.len());
        assert_eq!(find(&text), (alloc::vec![(1, a, "1".into()), (a, b, "2".into())], text.len()));
        for cut in 1..one.len() {
            assert_eq!(find(&format!("a {}", one.get(..cut).unwrap())), (Vec::new(), 2), "{cut}");
        }
        assert_eq!(find(&one.replace(']', "x")).0, []);
        assert_eq!(Vault::new(0).find(b"[REDACTED:x", 0, &mut |_, _, _| {}), 11);
    }
}
