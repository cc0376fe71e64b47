//! The canonical form of a JSON value: one sequence of bytes for one value, by which readings are compared.
//!
//! ```text
//! null      n
//! booleans  t  f
//! number    d and the 64 bits of the double it denotes, as 16 hexadecimal digits
//! string    s, its length in bytes of UTF-8, `:`, its bytes
//! array     a, how many elements, `:`, the elements
//! object    o, how many members, `:`, the members (key, then value), sorted by the bytes of their keys
//! ```
//!
//! A number's value is the double nearest to it, ties to even: what RFC 7493 section 2.2 lets a sender count on. A parser that
//! keeps integers apart from doubles (`1` and `1.0` in Python, Go or Java) reads the same value when its integer equals that
//! double; a driver writes an integer that no double holds as `i` and its digits, which equals nothing here. The order of
//! members is not part of the value, and neither are the spelling of a string or the white space.

use sallyport_engine::json::{Document, Kind, Value};

/// Builds a canonical form.
#[derive(Debug, Default)]
pub struct Canonical(Vec<u8>);

impl Canonical {
    /// What was written so far.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// `null`.
    pub fn null(&mut self) {
        self.0.push(b'n');
    }

    /// A boolean.
    pub fn bool(&mut self, value: bool) {
        self.0.push(if value { b't' } else { b'f' });
    }

    /// A number.
    pub fn number(&mut self, value: f64) {
        self.0.extend(format!("d{:016x}", value.to_bits()).bytes());
    }

    /// A string, or a key.
    pub fn string(&mut self, text: &str) {
        self.open(b's', text.len());
        self.0.extend(text.bytes());
    }

    /// The beginning of an array of so many elements.
    pub fn array(&mut self, count: usize) {
        self.open(b'a', count);
    }

    /// The beginning of an object of so many members, which are to follow in the order of their keys.
    pub fn object(&mut self, count: usize) {
        self.open(b'o', count);
    }

    /// A value as the engine reads it.
    ///
    /// # Panics
    ///
    /// As [`of_document`].
    pub fn value(&mut self, value: Value<'_>) {
        match value.kind() {
            Kind::Null => self.null(),
            Kind::Bool(value) => self.bool(value),
            Kind::Number | Kind::OpaqueNumber => {
                self.number(value.raw().parse().expect("an accepted number is a number"))
            }
            Kind::String => self.string(&value.as_str().expect("an accepted string unescapes")),
            Kind::Array => {
                self.array(value.items().count());
                value.items().for_each(|item| self.value(item));
            }
            Kind::Object => {
                let mut members: Vec<_> = value.entries().collect();
                members.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
                self.object(members.len());
                for (key, member) in members {
                    self.string(&key);
                    self.value(member);
                }
            }
        }
    }

    fn open(&mut self, mark: u8, count: usize) {
        self.0.extend(format!("{}{count}:", char::from(mark)).bytes());
    }
}

/// The canonical form of a document as the engine reads it.
///
/// # Panics
///
/// Where the engine contradicts itself: a string that does not unescape, a number that is none.
pub fn of_document(document: &Document<'_>) -> Vec<u8> {
    let mut canonical = Canonical::default();
    canonical.value(document.root().expect("a document has a value"));
    canonical.into_bytes()
}

/// The canonical form of a value as `serde_json` reads it.
pub fn of_serde(value: &serde_json::Value) -> Vec<u8> {
    let mut canonical = Canonical::default();
    write_serde(&mut canonical, value);
    canonical.into_bytes()
}

fn write_serde(canonical: &mut Canonical, value: &serde_json::Value) {
    use serde_json::Value as V;
    match value {
        V::Null => canonical.null(),
        V::Bool(value) => canonical.bool(*value),
        // Its integers are those of 64 bits; as_f64 rounds what no double holds exactly, which the reader refuses.
        V::Number(number) => canonical.number(number.as_f64().unwrap_or(f64::NAN)),
        V::String(text) => canonical.string(text),
        V::Array(items) => {
            canonical.array(items.len());
            items.iter().for_each(|item| write_serde(canonical, item));
        }
        V::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            canonical.object(members.len());
            for (key, member) in members {
                canonical.string(key);
                write_serde(canonical, member);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_form() {
        let form = |text: &str| {
            let bytes = of_document(&Document::parse(text.as_bytes()).unwrap());
            assert_eq!(bytes, of_serde(&serde_json::from_str(text).unwrap()), "{text}");
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(form(r#" {"b":[null,true,false],"a":"\u00e9"} "#), "o2:s1:as2:\u{e9}s1:ba3:ntf");
        assert_eq!(form("1"), "d3ff0000000000000");
        assert_eq!(form("1"), form("10e-1"));
        assert_eq!(form(r#"{"x":1,"y":2}"#), form(r#"{"y":2.0,"\u0078":1}"#));
        assert_ne!(form(r#"["1"]"#), form("[1]"));
        assert_ne!(form(r#"["ab","c"]"#), form(r#"["a","bc"]"#));
    }
}
