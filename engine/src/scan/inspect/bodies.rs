//! Messages that are no JSON, and parts of heads.

use super::{Inspector, MAX_NESTING, Spot};
use crate::http::{Coding, Part};
use crate::scan::form::decoded;
use crate::scan::{Action, protobuf};
use alloc::string::String;

/// The longest name of a header that a record shows, in bytes.
const MAX_NAME_LEN: usize = 64;

/// What a record calls a part of a head.
#[derive(Clone, Copy)]
pub(super) enum PartOfHead<'d> {
    Named(&'d str),
    /// A header of this name, as it came.
    Header(&'d [u8]),
    /// The same, of one that requests are expected to have.
    Expected(&'d [u8]),
}

impl Inspector<'_> {
    /// Inspects a message that is no JSON: text, or bytes that may hold text.
    pub fn text(&mut self, body: &[u8]) {
        self.allow_work(body.len());
        self.look(body, &[], Spot::Plain(0));
    }

    /// Inspects a part of a head, such as a path or a header. Nothing is replaced there: what asks for that gets `instead`.
    pub fn head(&mut self, name: &str, text: &[u8], instead: Action) {
        self.allow_more_work(text.len());
        self.look(text, &[], Spot::Fixed(PartOfHead::Named(name), instead));
    }

    /// The same for a header, whose name is context as a key of JSON is; a record shows it. One that is `expected` says what requests have
    /// to say, addresses and numbers among it; there only secrets and attacks of a known form count.
    pub(crate) fn header(&mut self, name: &[u8], value: &[u8], instead: Action, expected: bool) {
        self.allow_more_work(name.len().saturating_add(value.len()));
        if expected {
            self.look(value, &[], Spot::Fixed(PartOfHead::Expected(name), instead));
        } else {
            let spot = Spot::Fixed(PartOfHead::Header(name), instead);
            let given = self.look(name, &[], spot);
            self.look(value, &given, spot);
        }
    }

    /// Inspects what is text in a body of gRPC messages, compressed by `coding` where they are, and hands it on. Nothing is replaced
    /// there: what asks for that is refused.
    pub(crate) fn grpc(
        &mut self,
        body: &[u8],
        (coding, most): (Option<Coding>, usize),
        also: &mut dyn FnMut(&str, &[u8]),
    ) {
        self.allow_work(body.len());
        protobuf::texts(body, coding, most, &mut |path, text| {
            let name = ["grpc.", path].concat();
            self.look(text, &[], Spot::Fixed(PartOfHead::Named(&name), Action::Block));
            also(&name, text);
        });
    }

    /// Inspects a query (WHATWG URL section 5.1), where nothing is replaced either.
    pub fn query(&mut self, text: &str, instead: Action) {
        self.allow_more_work(text.len());
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let given = self.look(&decoded(name), &[], Spot::Fixed(PartOfHead::Named("query"), instead));
            self.look(&decoded(value), &given, Spot::Fixed(PartOfHead::Named("query"), instead));
        }
    }

    /// Inspects a form, or a query (WHATWG URL section 5.1).
    pub fn form(&mut self, text: &str) {
        self.allow_work(text.len());
        let mut at = 0_usize;
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let given = self.look(&decoded(name), &[], Spot::Field(at, name));
            let start = at.saturating_add(name.len()).saturating_add(1);
            self.look(&decoded(value), &given, Spot::Field(start, value));
            at = at.saturating_add(pair.len()).saturating_add(1);
        }
    }

    /// Inspects the parts of a body of some length: what names each, and its text, also where that is JSON.
    pub(crate) fn parts(&mut self, length: usize, parts: &[Part<'_>]) {
        self.allow_work(length);
        for Part { head, content, .. } in parts {
            let given = self.look(head.0.as_bytes(), &[], Spot::Plain(head.1));
            let spot = Spot::Plain(content.1);
            self.look(content.0, &given, spot);
            if let Ok(text) = core::str::from_utf8(content.0) {
                self.nested(text, MAX_NESTING, &mut |edges: (usize, usize)| edges, spot);
            }
        }
    }
}

impl PartOfHead<'_> {
    pub(super) fn pointer(self) -> String {
        match self {
            Self::Named(name) => ["#", name].concat(),
            Self::Header(name) | Self::Expected(name) => {
                let short = name.get(..name.len().min(MAX_NAME_LEN)).unwrap_or_default();
                let shown = short
                    .iter()
                    .map(|&byte| if byte.is_ascii_alphanumeric() { char::from(byte) } else { '-' });
                "#header/".chars().chain(shown).collect()
            }
        }
    }
}
