//! What may stand where: one declarative table of keys, types and defaults, and the one walk that holds a file to it.
//!
//! The walk reports everything that is out of shape. Readers that come after it take what fits and pass over the rest in
//! silence, for it has been reported; so nothing is said twice and nothing is accepted that the table does not name. The
//! reference page is printed from the same table.

mod walk;

pub use walk::{check, is_decimal};

use crate::sources::Span;
use crate::suggest::{either, listing};
use crate::tree::{Entry, Node, Tag, Value};

/// A mapping with named keys.
#[derive(Debug)]
pub struct Object {
    /// What the reference page calls it.
    pub name: &'static str,
    /// What it is for; Markdown.
    pub doc: &'static str,
    /// Its keys.
    pub fields: &'static [Field],
    /// Which keys exclude or need each other.
    pub together: &'static [Together],
}

/// One key of an [`Object`].
#[derive(Debug)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// What its value must be.
    pub ty: Ty,
    /// Whether it must be there.
    pub need: Need,
    /// What it means; Markdown.
    pub doc: &'static str,
}

/// Whether a key must be there.
#[derive(Debug, Eq, PartialEq)]
pub enum Need {
    /// It must.
    Required,
    /// It may be left out, and then nothing is said on the matter.
    Optional,
    /// It may be left out, and then this holds.
    Default(&'static str),
}

/// Keys that exclude or need each other.
#[derive(Debug)]
pub enum Together {
    /// One of them must be there, and no more.
    ExactlyOne(&'static [&'static str]),
    /// At least one must be there.
    AtLeastOne(&'static [&'static str]),
    /// At most one may be there.
    AtMostOne(&'static [&'static str]),
    /// Where one of them is there, the other key must be too.
    Beside(&'static [&'static str], &'static str),
}

/// What a value must be.
#[derive(Debug)]
pub enum Ty {
    /// Text; the words say which ("a SPIFFE ID").
    Text(&'static str),
    /// Text of a form that a number never has: what it is, and an example.
    Form(&'static str, &'static str),
    /// Text, or `null` with a meaning of its own.
    TextOrNull(&'static str),
    /// A whole number within bounds.
    Number {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
        /// What it is, as "a port".
        what: &'static str,
    },
    /// A number, written in decimal; it may be negative, and have a fraction.
    Decimal,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// One of a few words, or a mapping where they do not say enough.
    ChoiceOr(&'static [&'static str], &'static Object),
    /// A list that must name something.
    List(&'static Ty),
    /// A list that may be empty, because that says something of its own.
    ListOrEmpty(&'static Ty),
    /// A text, or a list of its parts.
    Parts,
    /// A mapping with named keys.
    Object(&'static Object),
    /// A mapping whose keys the user picks; what they are, and what the values must be.
    Table(&'static str, &'static Ty),
    /// A header: `[name, value]`, the value text or `{base64: …}`.
    Header,
    /// A header, or `[name, null]`.
    HeaderOrNull,
}

/// The keys of a [`Value::Map`], for readers after the walk.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'n, 's>(&'n [Entry<'s>]);

/// A piece of text and where it stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Text<'n> {
    /// The text.
    pub text: &'n str,
    /// Where it stands.
    pub at: Span,
}

// === impl Object ===

impl Object {
    /// Which keys there are, for messages.
    fn keys(&self) -> String {
        match self.fields {
            [] => "it takes no keys".to_owned(),
            [only] => format!("its only key is `{}`", only.name),
            fields => format!("its keys are {}", listing(fields.iter().map(|field| field.name))),
        }
    }
}

// === impl Fields ===

impl<'n, 's> Fields<'n, 's> {
    /// The keys of a mapping; none for anything else.
    pub fn of(node: &'n Node<'s>) -> Self {
        match &node.value {
            Value::Map(entries) => Self(entries),
            _ => Self(&[]),
        }
    }

    /// A key with its value.
    #[inline]
    pub fn entry(self, key: &str) -> Option<&'n Entry<'s>> {
        let tag = Tag::of(key);
        self.0.iter().find(|entry| entry.key.is(key, tag))
    }

    /// All keys, as written.
    pub fn entries(self) -> &'n [Entry<'s>] {
        self.0
    }

    /// The value of a key.
    pub fn get(self, key: &str) -> Option<&'n Node<'s>> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The mapping under a key; an empty one where there is none.
    pub fn object(self, key: &str) -> Self {
        self.get(key).map_or(Self(&[]), Fields::of)
    }

    /// The text under a key.
    pub fn text(self, key: &str) -> Option<Text<'n>> {
        self.get(key).and_then(Text::of)
    }

    /// The word under a key as it is written, be it one that YAML readers take for a number or a boolean; for keys whose shape
    /// leaves no doubt about it ([`Ty::Choice`], [`Ty::Decimal`]).
    pub fn word(self, key: &str) -> Option<Text<'n>> {
        self.get(key).and_then(Text::as_written)
    }

    /// The whole number under a key.
    pub fn number(self, key: &str) -> Option<u64> {
        self.get(key).and_then(number)
    }

    /// The items of a list under a key; none where there is no list.
    pub fn list(self, key: &str) -> &'n [Node<'s>] {
        match self.get(key).map(|node| &node.value) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }

    /// The texts of a list under a key, of which each may be written in parts.
    pub fn parts(self, key: &str) -> impl Iterator<Item = (String, Span)> {
        self.list(key).iter().filter_map(|node| match &node.value {
            Value::List(parts) => {
                let parts: Option<String> =
                    parts.iter().map(|part| Some(Text::as_written(part)?.text)).collect();
                Some((parts?, node.span))
            }
            _ => Some((Text::as_written(node)?.text.to_owned(), node.span)),
        })
    }

    /// The texts of a list under a key.
    pub fn texts(self, key: &str) -> impl Iterator<Item = Text<'n>> {
        self.list(key).iter().filter_map(Text::of)
    }
}

// === impl Text ===

impl<'n> Text<'n> {
    /// The node as text, if nothing reads it as anything else.
    pub fn of(node: &'n Node<'_>) -> Option<Self> {
        match &node.value {
            Value::Scalar(scalar) if scalar.is_text() => Some(Self { text: &scalar.text, at: node.span }),
            _ => None,
        }
    }

    /// The node as it is written, be it a word that YAML readers take for a number or a boolean.
    pub fn as_written(node: &'n Node<'_>) -> Option<Self> {
        match &node.value {
            Value::Scalar(scalar) => Some(Self { text: &scalar.text, at: node.span }),
            _ => None,
        }
    }
}

// === impl Ty ===

impl Ty {
    /// Whether it is a mapping that has this key, or a list of such.
    fn has_key(&self, key: &str) -> bool {
        match self {
            Self::Object(object) | Self::ChoiceOr(_, object) => {
                object.fields.iter().any(|field| field.name == key)
            }
            _ => false,
        }
    }

    /// Whether a value is `null`, and that says nothing here.
    fn refuses_null(&self, node: &Node<'_>) -> bool {
        node.is_null()
            && !matches!(self, Self::TextOrNull(_) | Self::Text(_) | Self::Choice(_) | Self::ChoiceOr(..))
    }

    /// In words, for messages and the reference page.
    pub fn describe(&self) -> String {
        match self {
            Self::Text(what) | Self::Form(what, _) => (*what).to_owned(),
            Self::TextOrNull(what) => format!("{what}, or null"),
            Self::Decimal => "a number".to_owned(),
            Self::Parts => "a text, or a list of its parts".to_owned(),
            Self::Number { min, max, what } => format!("{what} from {min} to {max}"),
            Self::Choice(words) => either(words.iter().copied()),
            Self::ChoiceOr(words, object) => {
                format!("{}, or {}", either(words.iter().copied()), Self::Object(object).describe())
            }
            Self::List(item) | Self::ListOrEmpty(item) => match item {
                Self::Object(object) => format!("a list of {}s", object.name),
                item => format!("a list, each {}", item.describe()),
            },
            Self::Object(object) => match object.fields {
                [] => "an empty mapping".to_owned(),
                fields => format!("a mapping of {}", listing(fields.iter().map(|field| field.name))),
            },
            Self::Table(keys, values) => format!("a mapping from {keys} to {}", values.describe()),
            Self::Header => "a pair [name, value]".to_owned(),
            Self::HeaderOrNull => "a pair [name, value] or [name, null]".to_owned(),
        }
    }
}

/// The node as a whole number in plain decimal digits.
pub fn number(node: &Node<'_>) -> Option<u64> {
    match &node.value {
        Value::Scalar(scalar) if !scalar.quoted && scalar.text.bytes().all(|b| b.is_ascii_digit()) => {
            scalar.text.parse().ok().filter(|_| !has_leading_zero(&scalar.text))
        }
        _ => None,
    }
}

/// Whether a number begins as those that some readers of YAML take for octal.
fn has_leading_zero(digits: &str) -> bool {
    let digits = digits.trim_start_matches(['-', '+']);
    digits.strip_prefix('0').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}
