//! What a rule asks of a tool call's arguments.

use super::{Decimal, Pattern};
use crate::http::HostPattern;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Constraints on the arguments of a call. All of them must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Arguments {
    /// The constrained places.
    pub fields: Vec<Field>,
    /// Whether places that no field names, above or below it, may hold something.
    pub additional: bool,
}

/// A place in the arguments, and what must hold there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// The JSON pointer (RFC 6901), unescaped and cut; `*` stands for every element or member.
    pub pointer: Vec<String>,
    /// Whether there must be something.
    pub presence: Presence,
    /// What it must be.
    pub constraint: Constraint,
}

/// Whether a place must hold something.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum Presence {
    /// It must; a missing value does not satisfy the rule.
    Required,
    /// It may be missing.
    Optional,
    /// It must be missing.
    Forbidden,
}

/// What must stand in a place: one value, or a list of them. The type does not nest, so that reading a bundle cannot either.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Constraint {
    /// A value.
    One(Element),
    /// A list of at most so many elements, each of which satisfies the constraint.
    List {
        /// The most elements.
        max: u32,
        /// What each must be.
        each: Element,
    },
}

/// What a value must be. A value of another type never satisfies it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Element {
    /// Anything at all.
    Any,
    /// `true` or `false`; one of them if it is given.
    Boolean(Option<bool>),
    /// A whole number, written as one, between these, both included.
    Integer {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// A number between these, both included.
    Number {
        /// The least.
        min: Decimal,
        /// The most.
        max: Decimal,
    },
    /// Text.
    Text(TextMatch),
    /// A path of a file system or resource below one of these prefixes, each ending in `/` or meant exactly; without dot
    /// segments, empty segments, backslashes, escapes or control characters.
    PathBelow(Vec<String>),
    /// A URL.
    Url(UrlMatch),
    /// An object, whatever it holds.
    Object,
}

/// What a text must be; an empty list or `None` asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TextMatch {
    /// The texts it may be; any when empty.
    pub one_of: Vec<String>,
    /// The fewest characters (Unicode scalar values).
    pub min_chars: u32,
    /// The most characters.
    pub max_chars: Option<u32>,
    /// What the whole text must match.
    pub pattern: Option<Pattern>,
}

/// Where a URL may lead.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UrlMatch {
    /// The schemes, lower-case.
    pub schemes: Vec<String>,
    /// The hosts; any public one when empty. A private host must be named exactly, unless `private` is set.
    pub hosts: Vec<HostPattern>,
    /// The ports; the scheme's own when empty.
    pub ports: Vec<u16>,
    /// Whether private hosts may be led to without being named.
    pub private: bool,
}

impl Arguments {
    /// Whether the tables within are sound and every constraint could be satisfied by something.
    pub(super) fn is_sound(&self) -> bool {
        self.fields.iter().all(|field| match &field.constraint {
            Constraint::One(element) | Constraint::List { each: element, .. } => element.is_sound(),
        })
    }
}

impl Element {
    fn is_sound(&self) -> bool {
        match self {
            Self::Any | Self::Boolean(_) | Self::Object => true,
            Self::Integer { min, max } => min <= max,
            Self::Number { min, max } => min <= max,
            Self::Text(text) => text.pattern.as_ref().is_none_or(Pattern::is_sound),
            Self::PathBelow(prefixes) => !prefixes.is_empty(),
            Self::Url(url) => !url.schemes.is_empty(),
        }
    }
}
