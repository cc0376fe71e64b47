//! The one reader of JSON in the gate (RFC 8259, and I-JSON, RFC 7493).
//!
//! It reads a whole text in one pass into a flat table of nodes that point into the text. What two parsers could read
//! differently is an error, never a choice: duplicate keys (after unescaping), lone surrogates, numbers that do not survive a
//! double, a byte order mark, bytes that are not UTF-8, anything before or after the value. Strings without escapes are
//! borrowed from the text.

mod canonical;
mod number;
mod pointer;
mod reader;
mod scalars;
mod text;
mod write;

pub(crate) use scalars::{Role, Scalar};
pub use text::unescape;
pub(crate) use text::{escape, raw_range};
pub use write::write_string;

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

/// The deepest nesting of arrays and objects.
pub const MAX_DEPTH: usize = 64;
/// The most values in one text, keys counted.
pub const MAX_NODES: usize = 65_536;

/// A JSON text that has been read and found to have one meaning.
#[derive(Debug)]
pub struct Document<'a> {
    text: &'a str,
    nodes: Vec<Node>,
}

/// One value, or a key, as a span of the text. Children follow their parent in the table; in an object, each key is followed
/// by its value.
#[derive(Clone, Copy, Debug)]
struct Node {
    kind: Kind,
    /// For a string: whether it holds escapes.
    escaped: bool,
    start: u32,
    end: u32,
    /// The index of the node after this one's subtree.
    next: u32,
}

/// The place of a value or key in its document's table of nodes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NodeIndex(usize);

/// What a value is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number,
    /// A number that parsers read differently, and that nobody here reads: see [`Numbers::Opaque`].
    OpaqueNumber,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// What becomes of numbers that parsers read differently.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Numbers {
    /// They are refused.
    #[default]
    Alike,
    /// They stand as [`Kind::OpaqueNumber`], which no constraint is satisfied by. Longer than 512 bytes, or with an exponent beyond 999,
    /// they are still refused.
    Opaque,
}

/// Why a text was refused, and at which byte.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct JsonError {
    /// What is wrong.
    pub fault: Fault,
    /// The offset of the byte where it was noticed.
    pub offset: usize,
}

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The text begins with a byte order mark.
    ByteOrderMark,
    /// A control character stands unescaped in a string.
    ControlCharacter,
    /// A key stands twice in an object, escapes resolved.
    DuplicateKey,
    /// An escape that JSON does not have.
    Escape,
    /// A code point that Unicode keeps for no character (RFC 7493 section 2.1).
    Noncharacter,
    /// The bytes are not UTF-8.
    NotUtf8,
    /// A key holds U+0000.
    NulInKey,
    /// A number whose value parsers disagree on.
    Number,
    /// A surrogate without its other half.
    Surrogate,
    /// Something else than JSON's grammar asks for, or the end where more was expected.
    Syntax,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// More than [`MAX_NODES`] values, or a text over 4 GiB.
    TooMany,
    /// Bytes after the value.
    Trailing,
}

/// A value of a document.
#[derive(Clone, Copy, Debug)]
pub struct Value<'d> {
    document: &'d Document<'d>,
    at: usize,
    node: Node,
}

// === impl Document ===

impl<'a> Document<'a> {
    /// Reads a whole text.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, JsonError> {
        Self::parse_with(bytes, Numbers::Alike)
    }

    /// Reads a whole text, and numbers as is said.
    pub fn parse_with(bytes: &'a [u8], numbers: Numbers) -> Result<Self, JsonError> {
        let (text, nodes) = reader::read(bytes, numbers)?;
        Ok(Self { text, nodes })
    }

    /// The text.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The value that the text is. Absent only if the reader is at fault, and then nothing is granted.
    pub fn root(&self) -> Option<Value<'_>> {
        Value::at(self, 0)
    }
}

// === impl Value ===

impl<'d> Value<'d> {
    fn at(document: &'d Document<'d>, at: usize) -> Option<Self> {
        document.nodes.get(at).map(|&node| Self { document, at, node })
    }

    /// What the value is.
    pub fn kind(&self) -> Kind {
        self.node.kind
    }

    /// The value as it stands in the text, quotes and brackets included.
    pub fn raw(&self) -> &'d str {
        let (start, end) = self.span();
        self.document.text.get(start..end).unwrap_or_default()
    }

    /// Where the value stands in the text: first byte, and the byte after the last.
    pub fn span(&self) -> (usize, usize) {
        (
            usize::try_from(self.node.start).unwrap_or(usize::MAX),
            usize::try_from(self.node.end).unwrap_or(usize::MAX),
        )
    }

    /// Its place in the document's table of nodes.
    pub fn node(&self) -> NodeIndex {
        NodeIndex(self.at)
    }

    /// The string, escapes resolved; `None` for anything but a string.
    pub fn as_str(&self) -> Option<Cow<'d, str>> {
        if self.node.kind != Kind::String {
            return None;
        }
        let inner = self.raw().get(1..)?.strip_suffix('"')?;
        Some(if self.node.escaped { Cow::Owned(unescape(inner)?) } else { Cow::Borrowed(inner) })
    }

    /// The member of an object by its key; `None` for anything but an object.
    pub fn get(&self, key: &str) -> Option<Value<'d>> {
        self.entries().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The members of an object in order; nothing for anything else.
    pub fn entries(&self) -> impl Iterator<Item = (Cow<'d, str>, Value<'d>)> + use<'d> {
        let mut children = self.children(Kind::Object);
        core::iter::from_fn(move || Some((children.next()?.as_str()?, children.next()?)))
    }

    /// The elements of an array in order; nothing for anything else.
    pub fn items(&self) -> impl Iterator<Item = Value<'d>> + use<'d> {
        self.children(Kind::Array)
    }

    fn children(&self, of: Kind) -> impl Iterator<Item = Value<'d>> + use<'d> {
        let document = self.document;
        let index = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        let end = if self.node.kind == of { index(self.node.next) } else { 0 };
        let mut at = self.at.saturating_add(1);
        core::iter::from_fn(move || {
            let child = Value::at(document, at).filter(|_| at < end)?;
            at = index(child.node.next);
            Some(child)
        })
    }
}

// === impl JsonError ===

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.fault {
            Fault::ByteOrderMark => "a byte order mark",
            Fault::ControlCharacter => "an unescaped control character in a string",
            Fault::DuplicateKey => "a key that stands twice in its object",
            Fault::Escape => "an escape that JSON does not have",
            Fault::Noncharacter => "a code point that is no character",
            Fault::NotUtf8 => "bytes that are not UTF-8",
            Fault::NulInKey => "a key that holds U+0000",
            Fault::Number => "a number that not every parser reads alike",
            Fault::Surrogate => "a surrogate without its other half",
            Fault::Syntax => "something that is not JSON",
            Fault::TooDeep => "nesting deeper than 64",
            Fault::TooMany => "more than 65536 values",
            Fault::Trailing => "bytes after the value",
        };
        write!(f, "{what} at byte {}", self.offset)
    }
}

impl core::error::Error for JsonError {}
