//! Names and values of forms and queries (WHATWG URL section 5.1).

use alloc::borrow::Cow;

/// The text of a form's name or value.
pub(super) fn decoded(field: &str) -> Cow<'_, [u8]> {
    if !field.contains(['%', '+']) {
        return Cow::Borrowed(field.as_bytes());
    }
    Cow::Owned(characters(field).map(|(byte, _)| byte).collect())
}

/// Where bytes of a field's text stand in the field as it is written.
pub(super) fn raw_field(field: &str, start: usize, end: usize) -> (usize, usize) {
    let before = |count: usize| {
        characters(field).take(count).fold(0_usize, |sum, (_, length)| sum.saturating_add(length))
    };
    (before(start), before(end))
}

/// The bytes of a field, and how long each is written.
fn characters(field: &str) -> impl Iterator<Item = (u8, usize)> {
    let bytes = field.as_bytes();
    let mut at = 0_usize;
    core::iter::from_fn(move || {
        let digit = |ahead: usize| char::from(*bytes.get(at.checked_add(ahead)?)?).to_digit(16);
        let escaped = || u8::try_from(digit(1)?.checked_mul(16)?.checked_add(digit(2)?)?).ok();
        let (byte, length) = match *bytes.get(at)? {
            b'+' => (b' ', 1),
            b'%' => escaped().map_or((b'%', 1), |byte| (byte, 3)),
            byte => (byte, 1),
        };
        at = at.saturating_add(length);
        Some((byte, length))
    })
}
