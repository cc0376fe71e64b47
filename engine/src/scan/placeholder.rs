//! Values that stand for a secret without being one: `AKIAXXXXXXXXXXXXXXXX`, `your-api-key`, `${TOKEN}`.
//!
//! A random token of 20 characters or more is hardly ever taken for a placeholder: words of fewer than six letters count only where
//! they stand alone, and runs, sequences and periods only where they make up much of the value.

/// Words that count wherever they stand: in six random letters or digits, one of these turns up once in a thousand million.
const WORDS_ANYWHERE: [&[u8]; 14] = [
    b"example",
    b"sample",
    b"placeholder",
    b"changeme",
    b"change_me",
    b"change-me",
    b"redacted",
    b"replace",
    b"foobar",
    b"deadbeef",
    b"qwerty",
    b"lorem_ipsum",
    b"not_real",
    b"goes_here",
];
/// Words that count where they start a word.
const WORDS_IN_FRONT: [&[u8]; 3] = [b"your", b"dummy", b"insert"];
/// A value of these words alone is none.
const FILLERS: [&[u8]; 41] = [
    b"a",
    b"abc",
    b"access",
    b"api",
    b"bar",
    b"baz",
    b"client",
    b"demo",
    b"env",
    b"fake",
    b"false",
    b"foo",
    b"here",
    b"id",
    b"key",
    b"mock",
    b"my",
    b"new",
    b"nil",
    b"none",
    b"null",
    b"old",
    b"pass",
    b"password",
    b"private",
    b"public",
    b"secret",
    b"some",
    b"string",
    b"test",
    b"testing",
    b"the",
    b"this",
    b"todo",
    b"token",
    b"true",
    b"undefined",
    b"user",
    b"value",
    b"xxx",
    b"tbd",
];
/// What templates and formats are written with.
const TEMPLATES: [&[u8]; 8] = [b"${", b"$(", b"{{", b"<%", b"%(", b"{%", b"#{", b"@@"];
/// The shortest run or sequence that counts.
const MIN_RUN: usize = 4;
const MIN_SEQUENCE: usize = 5;

/// Whether a value is made up.
pub(crate) fn is_placeholder(value: &[u8]) -> bool {
    is_template(value)
        || WORDS_ANYWHERE.iter().any(|word| holds(value, word, false))
        || WORDS_IN_FRONT.iter().any(|word| holds(value, word, true))
        || is_filler(value)
        || covers_much(value, MIN_RUN, |a, b| a == b)
        || covers_much(value, MIN_SEQUENCE, follows)
        || covers_much(value, MIN_SEQUENCE, |a, b| follows(b, a))
        || (1..=8).any(|period| repeats(value, period))
}

fn is_template(value: &[u8]) -> bool {
    let written = |template: &&[u8]| value.windows(template.len()).any(|part| part == *template);
    match value {
        [b'<', .., b'>'] | [b'{', .., b'}'] | [b'[', .., b']'] | [b'%', .., b'%'] => return true,
        [b'%', b's' | b'd' | b'v'] => return true,
        // $NAME and $name
        [b'$', name @ ..] if !name.is_empty() => {
            let upper = name.iter().any(u8::is_ascii_uppercase);
            let lower = name.iter().any(u8::is_ascii_lowercase);
            if !(upper && lower) && name.iter().all(|&b| b.is_ascii_alphabetic() || b == b'_') {
                return true;
            }
        }
        _ => {}
    }
    TEMPLATES.iter().any(written)
}

/// Whether the value holds the word, in small letters, in capitals or with one capital in front; with `front`, only where no letter or digit stands before it.
#[inline(never)]
fn holds(value: &[u8], word: &[u8], front: bool) -> bool {
    let mut before = b' ';
    value.windows(word.len()).any(|part| {
        let starts = !front || !before.is_ascii_alphanumeric();
        before = part.first().copied().unwrap_or(b' ');
        starts && part.eq_ignore_ascii_case(word) && is_one_case(part)
    })
}

/// Whether the letters after the first are all small or all capital, as in words and unlike in random text.
fn is_one_case(word: &[u8]) -> bool {
    let rest = word.split_first().map_or(word, |(_, rest)| rest);
    !(rest.iter().any(u8::is_ascii_lowercase) && rest.iter().any(u8::is_ascii_uppercase))
}

/// Whether there is nothing but words that name a secret.
fn is_filler(value: &[u8]) -> bool {
    let words = || value.split(|b| !b.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words().next().is_some()
        && words().all(|word| {
            let word = word.trim_ascii_end();
            let digits = word.iter().rev().take_while(|b| b.is_ascii_digit()).count();
            let letters = word.get(..word.len().saturating_sub(digits)).unwrap_or_default();
            // `test`, `key1`, `token123`
            FILLERS.iter().any(|filler| letters.eq_ignore_ascii_case(filler)) && digits <= 3
        })
}

/// Whether stretches of at least `least` bytes, each of which is linked to the next, make up a third of the value's letters and digits.
#[inline(never)]
fn covers_much(value: &[u8], least: usize, linked: fn(u8, u8) -> bool) -> bool {
    let (mut covered, mut stretch, mut last) = (0_usize, 1_usize, None);
    for &byte in value {
        if last.is_some_and(|last| linked(last, byte)) {
            stretch = stretch.saturating_add(1);
            // The stretch counts whole from the moment that it is long enough.
            covered = covered.saturating_add(match stretch {
                _ if stretch == least => least,
                _ if stretch > least => 1,
                _ => 0,
            });
        } else {
            stretch = 1;
        }
        last = Some(byte);
    }
    covered > 0 && covered.saturating_mul(3) >= value.len()
}

/// Whether one letter or digit comes right after another, in any case: 9 is followed by 0 or A, and Z by A.
fn follows(a: u8, b: u8) -> bool {
    let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
    match (a, b) {
        (b'9', b'0' | b'a') | (b'z', b'a' | b'0') | (b'f', b'0') => true,
        _ => a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric() && a.wrapping_add(1) == b,
    }
}

/// Whether the value is one piece over and over, at least three times, or twice when the piece is long.
#[inline(never)]
fn repeats(value: &[u8], period: usize) -> bool {
    let times = if period < 6 { 3 } else { 2 };
    let shifted = value.get(period..).unwrap_or_default();
    value.len() >= 6
        && value.len() >= period.saturating_mul(times)
        && value.iter().zip(shifted).all(|(a, b)| a.eq_ignore_ascii_case(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_known() {
        for value in [
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "AKIAXXXXXXXXXXXXXXXX",
            "xxxxxxxxxxxx",
            "XXXX-XXXX-XXXX",
            "********",
            "........",
            "0000000000000000",
            "sk-xxxxxxxxxxxxxxxxxxxx",
            "<your-api-key>",
            "<TOKEN>",
            "${API_KEY}",
            "{{ .Values.token }}",
            "{{token}}",
            "%s",
            "%(password)s",
            "$PASSWORD",
            "$password",
            "{token}",
            "your-api-key",
            "YOUR_API_KEY",
            "yourapikeyhere",
            "sk-your-key",
            "changeme",
            "CHANGE_ME",
            "[REDACTED]",
            "redacted",
            "dummy",
            "dummy_key",
            "my-secret-token",
            "test",
            "test-key",
            "password",
            "foo",
            "foobar123",
            "null",
            "true",
            "token123",
            "abcdefghijklmnop",
            "0123456789abcdef",
            "1234567890",
            "12345678-1234-1234-1234-123456789012",
            "abcdef1234567890abcdef1234567890",
            "9876543210",
            "zyxwvutsrq",
            "abcabcabcabc",
            "ababab",
            "deadbeefdeadbeef",
            "1a2b3c1a2b3c",
            "ghp_1234567890abcdefghijklmnopqrstuvwxyz",
        ] {
            assert!(is_placeholder(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn secrets_are_not() {
        for value in [
            "",
            "x",
            "Tr0ub4dor&3",
            "correct horse battery staple",
            "hunter2",
            "S3cr3tP@ssw0rd!",
            "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ",
            "sk_test_4eC39HqLyjWDarjtT1zdP7dc",
            "9f86d081884c7d659a2feaa0c55ad015",
            "contestwinner77Qm",
            "yoUr9x7Qpl2mNvT4",
            "a0000b9Kd83hfKqPz7Wm2",
            "Kabcde7Qp9vXz2LmR4tYw8Ns",
            "$2b$12$KIXQnZv8r3",
            "pa$$w0rd-Q7",
            "P9xYzABq17mTestKd82Lw",
            "aabbccdd",
        ] {
            assert!(!is_placeholder(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn random_tokens_are_hardly_ever_placeholders() {
        const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap() % below
        };
        for alphabet in [BASE62, &BASE62[..36], b"0123456789abcdef"] {
            let mut taken = 0;
            for _ in 0..100_000 {
                let length = 20 + random(21);
                let token: Vec<u8> = (0..length).map(|_| alphabet[random(alphabet.len())]).collect();
                taken += u32::from(is_placeholder(&token));
            }
            assert!(taken < 10, "{taken} of 100 000 over {} characters", alphabet.len());
        }
    }
}
