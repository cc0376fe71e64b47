//! What a proxy sends, parsed where it comes in: a batch is bounded, its lines have one reading, and their numbers rise.

use std::fmt;

use sallyport_engine::json::{Document, Kind as JsonKind};

use super::record::{MAX_NUMBER, Record, Verdict};
use crate::report::drives_terminal;

/// The longest body, in bytes.
pub(crate) const MAX_BODY: usize = 256 * 1024;
/// The most records of a body.
pub(crate) const MAX_LINES: usize = 500;
/// The longest record, in bytes.
pub(crate) const MAX_LINE: usize = 16 * 1024;
/// The longest name of a proxy, in bytes: that of a SPIFFE ID.
const MAX_PROXY: usize = 2048;

/// Whose records they are.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Proxy(String);

/// When the proxy's queue was made; sequence numbers belong to it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Epoch(pub(crate) [u8; 16]);

/// One record as it came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Line {
    pub(crate) seq: u64,
    pub(crate) time: u64,
    pub(crate) verdict: Verdict,
    pub(crate) reason: String,
    pub(crate) raw: String,
}

/// The records of one body: at least one, with rising numbers.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) proxy: Proxy,
    /// What the proxy calls itself; nobody vouches for it.
    pub(crate) node: String,
    pub(crate) epoch: Epoch,
    /// How many records the proxy says that it dropped since the epoch began.
    pub(crate) dropped: u64,
    pub(crate) lines: Vec<Line>,
}

/// Why a body is refused. It names places and never shows what stands there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum BatchError {
    /// It is longer than a body may be, or has more lines, or one is too long.
    TooLarge(&'static str),
    /// A header is missing or is not as it must be.
    Header(&'static str),
    /// A line is not a record; lines count from one.
    Line(usize, &'static str),
}

// === impl Proxy ===

impl Proxy {
    /// One whose certificate names this SPIFFE ID.
    pub(crate) fn verified(id: &str) -> Option<Self> {
        (id.starts_with("spiffe://") && id.len() <= MAX_PROXY).then(|| Self(id.to_owned()))
    }

    /// One that says so itself, where nobody shows certificates. Its name cannot be taken for a verified one.
    pub(crate) fn unverified(node: &str) -> Option<Self> {
        let plain =
            !node.is_empty() && node.len() <= MAX_PROXY && node.bytes().all(|byte| byte.is_ascii_graphic());
        plain.then(|| Self(format!("node:{node}")))
    }

    /// As the store holds it.
    pub(crate) fn stored(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// Its name in the store: a SPIFFE ID, or `node:` and what it calls itself.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a certificate vouches for it.
    pub(crate) fn is_verified(&self) -> bool {
        self.0.starts_with("spiffe://")
    }
}

// === impl Epoch ===

impl Epoch {
    /// Reads 32 hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 32 || !text.bytes().all(lower) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

// === impl Batch ===

impl Batch {
    /// Reads a body. `first` is the number that the headers give for its first record.
    pub(crate) fn parse(
        proxy: Proxy,
        node: String,
        epoch: Epoch,
        first: u64,
        dropped: u64,
        body: &[u8],
    ) -> Result<Self, BatchError> {
        if body.len() > MAX_BODY {
            return Err(BatchError::TooLarge("the body is longer than 256 KiB"));
        }
        if dropped > MAX_NUMBER {
            return Err(BatchError::Header("sallyport-audit-dropped is too large"));
        }
        let body = body.strip_suffix(b"\n").unwrap_or(body);
        let mut lines: Vec<Line> = Vec::new();
        for (number, raw) in (1..).zip(body.split(|byte| *byte == b'\n')) {
            if number > MAX_LINES {
                return Err(BatchError::TooLarge("the body has more than 500 lines"));
            }
            let line = Line::parse(number, raw)?;
            if lines.last().is_some_and(|before| before.seq >= line.seq) {
                return Err(BatchError::Line(number, "its `seq` is not higher than the one before"));
            }
            lines.push(line);
        }
        if lines.first().is_none_or(|line| line.seq != first) {
            return Err(BatchError::Header("sallyport-audit-first is not the `seq` of the first record"));
        }
        Ok(Self { proxy, node, epoch, dropped, lines })
    }

    /// How many records it has.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The number of its last record.
    pub(crate) fn last(&self) -> u64 {
        self.lines.last().map_or(0, |line| line.seq)
    }
}

impl Line {
    fn parse(number: usize, raw: &[u8]) -> Result<Self, BatchError> {
        let wrong = |what| BatchError::Line(number, what);
        if raw.len() > MAX_LINE {
            return Err(BatchError::TooLarge("a line is longer than 16 KiB"));
        }
        // The engine's reader is strict: each key once, bounded depth, UTF-8, nothing with two readings.
        let document = Document::parse(raw).map_err(|_| wrong("it is not JSON with one reading"))?;
        let root = document.root().filter(|root| root.kind() == JsonKind::Object);
        let root = root.ok_or(wrong("it is not an object"))?;
        let mut keys = root.entries();
        if keys.next().is_none_or(|(key, _)| key != "seq") {
            return Err(wrong("its first key is not `seq`"));
        }
        let text = document.text();
        // JSON lets a line end by CR between its words, and what drives a terminal stand in its strings. Proxies escape both: who reads lines
        // later must not see others than there are.
        if text.chars().any(drives_terminal) {
            return Err(wrong("a control character or a bidirectional mark in it is not escaped"));
        }
        let record = Record::parse(text).ok_or(wrong("a key is missing, or holds another type"))?;
        if record.seq > MAX_NUMBER || record.time > MAX_NUMBER {
            return Err(wrong("`seq` or `time` is too large"));
        }
        let Record { seq, time, verdict, reason, .. } = record;
        Ok(Self { seq, time, verdict, reason, raw: text.to_owned() })
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(what) | Self::Header(what) => f.write_str(what),
            Self::Line(number, what) => write!(f, "line {number}: {what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(first: u64, body: &[u8]) -> Result<Batch, BatchError> {
        let proxy = Proxy::unverified("a").unwrap();
        Batch::parse(proxy, "a".to_owned(), Epoch([1; 16]), first, 0, body)
    }

    fn line(seq: u64, more: &str) -> String {
        format!("{{\"seq\":{seq},\"time\":5,\"verdict\":\"allow\",\"reason\":\"allowed\"{more}}}")
    }

    #[test]
    fn records_are_kept_byte_for_byte_with_keys_that_nobody_knows() {
        let body = format!("{}\n{}\n", line(3, ",\"later\": [1, {\"a\":null}]"), line(9, ""));
        let batch = parse(3, body.as_bytes()).unwrap();
        assert_eq!((batch.lines.len(), batch.last()), (2, 9));
        assert_eq!(batch.lines[0].raw, body.lines().next().unwrap());
    }

    #[test]
    fn what_is_not_a_batch_is_refused() {
        let two = |a, b| format!("{}\n{}", line(a, ""), line(b, ""));
        for (first, body) in [
            (1, String::new()),
            (1, "\n".to_owned()),
            (1, two(1, 1)),
            (2, two(2, 1)),
            (2, line(1, "")),
            (1, line(1, "").replace("\"seq\":1,\"time\":5", "\"time\":5,\"seq\":1")),
            (1, format!("{}\n\n{}", line(1, ""), line(2, ""))),
            (1, line(1, ",\"verdict\":\"deny\"")),
            (1, line(1, "").replace("\"allow\"", "\"maybe\"")),
            (1, line(1, ",\"status\":\"200\"")),
            (1, line(1, "").replace("\"time\":5,", "")),
            (1, "[]".to_owned()),
            (1, line(1, &format!(",\"deep\":{}{}", "[".repeat(80), "]".repeat(80)))),
            (1 << 53, line(1 << 53, "")),
            (1, line(1, ",\r\"x\":1")),
            (1, line(1, ",\t\"x\":1")),
            (1, line(1, ",\"x\":\"\u{7f}\"")),
            (1, line(1, ",\"x\":\"\u{9b}31m\"")),
            (1, line(1, ",\"\u{202e}x\":1")),
        ] {
            let refused = parse(first, body.as_bytes());
            assert!(
                matches!(refused, Err(BatchError::Line(..) | BatchError::Header(_))),
                "{body}: {refused:?}"
            );
        }
        assert!(parse(1, b"{\"seq\":1,\"time\":5,\"verdict\":\"allow\",\"reason\":\"\xff\"}").is_err());
    }

    #[test]
    fn every_size_is_bounded() {
        let many: Vec<_> = (1..=501).map(|seq| line(seq, "")).collect();
        assert!(matches!(parse(1, many.join("\n").as_bytes()), Err(BatchError::TooLarge(_))));
        assert!(parse(1, many[..500].join("\n").as_bytes()).is_ok());
        let long = line(1, &format!(",\"x\":\"{}\"", "x".repeat(MAX_LINE)));
        assert!(matches!(parse(1, long.as_bytes()), Err(BatchError::TooLarge(_))));
        assert!(matches!(parse(1, &vec![b' '; MAX_BODY + 1]), Err(BatchError::TooLarge(_))));
    }

    #[test]
    fn names_and_epochs_have_one_form() {
        assert!(
            Proxy::verified("node:x").is_none() && Proxy::verified("spiffe://a/b").unwrap().is_verified()
        );
        let claimed = Proxy::unverified("spiffe://a/b").unwrap();
        assert!(!claimed.is_verified() && claimed.as_str() == "node:spiffe://a/b");
        assert!(Proxy::unverified("").is_none() && Proxy::unverified("a b").is_none());
        let text = "00ff00000000000000000000000000ab";
        assert_eq!(Epoch::parse(text).unwrap().to_string(), text);
        for bad in ["", "00", "00FF00000000000000000000000000AB", "+0ff00000000000000000000000000ab"] {
            assert!(Epoch::parse(bad).is_none());
        }
    }
}
