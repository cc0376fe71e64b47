//! The grammar: bytes to nodes.

use super::{Fault, JsonError, Kind, MAX_DEPTH, MAX_NODES, Node, Numbers, number, text};
use crate::sort::sort;
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// Objects with at most this many keys are compared pair by pair; larger ones are sorted.
const FEW_KEYS: usize = 8;

pub(super) fn read(bytes: &[u8], numbers: Numbers) -> Result<(&str, Vec<Node>), JsonError> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(JsonError { fault: Fault::ByteOrderMark, offset: 0 });
    }
    let text = core::str::from_utf8(bytes)
        .map_err(|error| JsonError { fault: Fault::NotUtf8, offset: error.valid_up_to() })?;
    if !bytes.is_ascii()
        && let Some((offset, _)) =
            text.char_indices().find(|(_, character)| text::is_noncharacter(*character))
    {
        return Err(JsonError { fault: Fault::Noncharacter, offset });
    }
    if u32::try_from(bytes.len()).is_err() {
        return Err(JsonError { fault: Fault::TooMany, offset: 0 });
    }
    let mut reader = Reader { text, bytes, at: 0, nodes: Vec::new(), numbers };
    reader.skip_space();
    reader.value(MAX_DEPTH)?;
    reader.skip_space();
    if reader.at < bytes.len() { Err(reader.fault(Fault::Trailing)) } else { Ok((text, reader.nodes)) }
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    numbers: Numbers,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"') => self.string(false),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Kind::Bool(true)),
            Some(b'f') => self.word("false", Kind::Bool(false)),
            Some(b'n') => self.word("null", Kind::Null),
            _ => Err(self.fault(Fault::Syntax)),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), JsonError> {
        let (node, depth) = self.open(Kind::Object, depth)?;
        let mut keys = 0_usize;
        if !self.take(b'}') {
            loop {
                if self.peek() != Some(b'"') {
                    return Err(self.fault(Fault::Syntax));
                }
                self.string(true)?;
                self.skip_space();
                self.need(b':')?;
                self.skip_space();
                self.value(depth)?;
                self.skip_space();
                keys = keys.saturating_add(1);
                if self.take(b'}') {
                    break;
                }
                self.need(b',')?;
                self.skip_space();
            }
        }
        self.close(node);
        self.check_keys(node, keys)
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonError> {
        let (node, depth) = self.open(Kind::Array, depth)?;
        if !self.take(b']') {
            loop {
                self.value(depth)?;
                self.skip_space();
                if self.take(b']') {
                    break;
                }
                self.need(b',')?;
                self.skip_space();
            }
        }
        self.close(node);
        Ok(())
    }

    /// Notes an opening bracket and says how much deeper the content may go.
    fn open(&mut self, kind: Kind, depth: usize) -> Result<(usize, usize), JsonError> {
        let depth = depth.checked_sub(1).ok_or_else(|| self.fault(Fault::TooDeep))?;
        let index = self.nodes.len();
        let start = self.at;
        self.advance(1);
        self.push(kind, false, start)?;
        self.skip_space();
        Ok((index, depth))
    }

    /// Gives the node of a bracket its end, now that it is known.
    fn close(&mut self, index: usize) {
        let (end, next) = (small(self.at), small(self.nodes.len()));
        if let Some(node) = self.nodes.get_mut(index) {
            node.end = end;
            node.next = next;
        }
    }

    fn string(&mut self, key: bool) -> Result<(), JsonError> {
        let start = self.at;
        self.advance(1);
        let mut escaped = false;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            self.advance(text::plain(rest));
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    let (character, length) = text::escape(self.bytes.get(self.at..).unwrap_or_default())
                        .map_err(|fault| self.fault(fault))?;
                    if key && character == '\0' {
                        return Err(self.fault(Fault::NulInKey));
                    }
                    self.advance(length);
                }
                Some(_) => return Err(self.fault(Fault::ControlCharacter)),
                None => return Err(self.fault(Fault::Syntax)),
            }
        }
        self.advance(1);
        self.push(Kind::String, escaped, start)
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or_default();
        let number = number::scan(rest).map_err(|fault| self.fault(fault))?;
        let kind = match (number.alike, self.numbers) {
            (true, _) => Kind::Number,
            (false, Numbers::Opaque) => Kind::OpaqueNumber,
            (false, Numbers::Alike) => return Err(self.fault(Fault::Number)),
        };
        self.advance(number.length);
        self.push(kind, false, start)
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<(), JsonError> {
        let start = self.at;
        if !self.bytes.get(start..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            return Err(self.fault(Fault::Syntax));
        }
        self.advance(word.len());
        self.push(kind, false, start)
    }

    fn push(&mut self, kind: Kind, escaped: bool, start: usize) -> Result<(), JsonError> {
        if self.nodes.len() >= MAX_NODES {
            return Err(self.fault(Fault::TooMany));
        }
        let next = small(self.nodes.len().saturating_add(1));
        self.nodes.push(Node { kind, escaped, start: small(start), end: small(self.at), next });
        Ok(())
    }

    /// Refuses a key that stands twice, escapes resolved.
    fn check_keys(&self, object: usize, count: usize) -> Result<(), JsonError> {
        if count < 2 {
            return Ok(());
        }
        let mut keys: Vec<(Cow<'_, str>, u32)> = Vec::with_capacity(count);
        let mut at = object.saturating_add(1);
        for _ in 0..count {
            let Some(&node) = self.nodes.get(at) else { break };
            keys.push((self.key(node), node.start));
            // A key is one node; its value's subtree follows.
            let value = self.nodes.get(at.saturating_add(1));
            at = value.map_or(usize::MAX, |value| usize::try_from(value.next).unwrap_or(usize::MAX));
        }
        let twice = if count <= FEW_KEYS {
            keys.iter()
                .enumerate()
                .find(|(n, (key, _))| keys.iter().take(*n).any(|(earlier, _)| earlier == key))
                .map(|(_, (_, start))| *start)
        } else {
            sort(&mut keys);
            keys.iter().zip(keys.iter().skip(1)).find(|(a, b)| a.0 == b.0).map(|(_, (_, start))| *start)
        };
        match twice {
            Some(start) => Err(JsonError {
                fault: Fault::DuplicateKey,
                offset: usize::try_from(start).unwrap_or(usize::MAX),
            }),
            None => Ok(()),
        }
    }

    fn key(&self, node: Node) -> Cow<'_, str> {
        let index = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        let inner = self.text.get(index(node.start).saturating_add(1)..index(node.end).saturating_sub(1));
        let inner = inner.unwrap_or_default();
        if node.escaped {
            Cow::Owned(text::unescape(inner).unwrap_or_default())
        } else {
            Cow::Borrowed(inner)
        }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.advance(1);
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.advance(usize::from(found));
        found
    }

    fn need(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.take(byte) { Ok(()) } else { Err(self.fault(Fault::Syntax)) }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn advance(&mut self, by: usize) {
        self.at = self.at.saturating_add(by);
    }

    fn fault(&self, fault: Fault) -> JsonError {
        JsonError { fault, offset: self.at }
    }
}

/// Offsets and counts fit: `read` has refused a text of 4 GiB.
fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
