//! Keys of JSON objects that mean something by themselves.

use super::placeholder::is_placeholder;

/// Keys that databases run, and that interpreters take for an object's inside.
const OPERATORS: [&str; 8] =
    ["$where", "$function", "$accumulator", "$expr", "$lookup", "$out", "__proto__", "prototype"];

/// Names of secrets, without `_` and `-`, in lower case.
const SECRETS: [&str; 17] = [
    "password",
    "passwd",
    "pwd",
    "secret",
    "clientsecret",
    "apikey",
    "apisecret",
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "authtoken",
    "privatekey",
    "passphrase",
    "secretkey",
    "sessiontoken",
    "signingkey",
    "encryptionkey",
];

/// The fewest bytes of a secret under a name.
const MIN_SECRET: usize = 6;

/// Whether a key is an operator.
pub(super) fn is_operator(key: &str) -> bool {
    OPERATORS.contains(&key)
}

/// Whether a key names a secret, in any case, with or without `_` and `-`.
pub(super) fn names_secret(key: &str) -> bool {
    let plain =
        || key.bytes().filter(|byte| !matches!(byte, b'_' | b'-')).map(|byte| byte.to_ascii_lowercase());
    SECRETS.iter().any(|name| plain().eq(name.bytes()))
}

/// Whether a text under such a key could be the secret: not what it is about, and not a placeholder.
pub(super) fn could_be_secret(text: &str) -> bool {
    let bytes = text.as_bytes();
    let word = bytes.iter().all(u8::is_ascii_alphabetic) && bytes.iter().skip(1).all(u8::is_ascii_lowercase);
    bytes.len() >= MIN_SECRET && !word && !text.contains(' ') && !is_placeholder(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_in_any_spelling() {
        for key in ["password", "client_secret", "apiKey", "API-KEY", "accessToken", "Private_Key"] {
            assert!(names_secret(key), "{key}");
        }
        for key in ["passwords", "secretary", "key", "", "token_type", "password_hint"] {
            assert!(!names_secret(key), "{key}");
        }
        assert!(could_be_secret("tr0ub4dor&3") && could_be_secret("hunter2!"));
        for text in ["string", "Password", "your password here", "short", "********", "${DB_PASSWORD}"] {
            assert!(!could_be_secret(text), "{text}");
        }
        assert!(is_operator("$where") && is_operator("__proto__") && !is_operator("where"));
    }
}
