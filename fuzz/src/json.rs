//! The JSON reader: it never panics; what it accepts serde_json reads as the same value; and its table of nodes is sound.

use sallyport_differential::canonical;
use sallyport_engine::json::{Document, Kind, Value, unescape, write_string};

/// Checks one text.
pub fn check(data: &[u8]) {
    let Ok(document) = Document::parse(data) else { return };
    let ours = canonical::of_document(&document);
    let theirs: serde_json::Value = serde_json::from_slice(data).expect("serde_json reads what we accept");
    assert_eq!(ours, canonical::of_serde(&theirs), "read as another value");

    let root = document.root().expect("a document has a value");
    let (start, end) = root.span();
    let space = |bytes: &[u8]| bytes.iter().all(|b| b" \t\r\n".contains(b));
    assert!(space(&data[..start]) && space(&data[end..]), "the value is all there is but white space");
    check_value(root, data);
    check_strings(&document, root);

    let mut written = String::new();
    write(&mut written, root);
    let again = Document::parse(written.as_bytes()).expect("what we write we read");
    assert_eq!(ours, canonical::of_document(&again), "written and read again");
}

/// A value lies where it says, its children lie within it in order, and alone it is read as the same value.
fn check_value(value: Value<'_>, data: &[u8]) {
    let (start, end) = value.span();
    assert_eq!(value.raw().as_bytes(), &data[start..end]);
    let alone = Document::parse(value.raw().as_bytes()).expect("a part of what is accepted is accepted");
    assert_eq!(alone.root().map(|root| root.span()), Some((0, end - start)));
    let mut at = start + 1;
    let mut inside = |child: Value<'_>| {
        let (from, to) = child.span();
        assert!(at <= from && from < to && to < end, "{from}..{to} in {at}..{end}");
        at = to;
        check_value(child, data);
    };
    match value.kind() {
        Kind::Array => value.items().for_each(inside),
        Kind::Object => value.entries().for_each(|(key, member)| {
            assert!(!key.contains('\0'));
            // No key stands twice, so looking one up finds this one.
            assert_eq!(value.get(&key).map(|found| found.span()), Some(member.span()));
            inside(member);
        }),
        Kind::String => {
            let text = value.as_str().expect("an accepted string unescapes");
            let inner = &value.raw()[1..value.raw().len() - 1];
            assert_eq!(unescape(inner).as_deref(), Some(&*text));
        }
        Kind::Null | Kind::Bool(_) | Kind::Number | Kind::OpaqueNumber => {
            assert!(value.items().next().is_none() && value.entries().next().is_none());
        }
    }
}

/// Every string has a pointer, and is read back as it was written; keys too.
fn check_strings(document: &Document<'_>, value: Value<'_>) {
    match value.kind() {
        Kind::String => {
            let pointer = document.pointer(value.node(), |_| true);
            assert!(pointer.is_empty() || pointer.starts_with('/'));
            check_string(&value.as_str().expect("an accepted string unescapes"));
        }
        Kind::Array => value.items().for_each(|item| check_strings(document, item)),
        Kind::Object => value.entries().for_each(|(key, member)| {
            check_string(&key);
            check_strings(document, member);
        }),
        Kind::Null | Kind::Bool(_) | Kind::Number | Kind::OpaqueNumber => {}
    }
}

fn check_string(text: &str) {
    let mut written = String::new();
    write_string(&mut written, text);
    assert!(!written.chars().any(char::is_control));
    let read = Document::parse(written.as_bytes()).expect("what we write we read");
    assert_eq!(read.root().and_then(|root| root.as_str()).as_deref(), Some(text));
}

fn write(out: &mut String, value: Value<'_>) {
    match value.kind() {
        Kind::Null | Kind::Bool(_) | Kind::Number | Kind::OpaqueNumber => out.push_str(value.raw()),
        Kind::String => write_string(out, &value.as_str().expect("an accepted string unescapes")),
        Kind::Array => {
            out.push('[');
            for (at, item) in value.items().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                write(out, item);
            }
            out.push(']');
        }
        Kind::Object => {
            out.push('{');
            for (at, (key, member)) in value.entries().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                write_string(out, &key);
                out.push(':');
                write(out, member);
            }
            out.push('}');
        }
    }
}
