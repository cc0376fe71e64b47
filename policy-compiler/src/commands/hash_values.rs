//! `hash-values`: values as policy may know them, by their digests.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::process::ExitCode;

use sallyport_engine::scan::{digest, folded};

use super::{fail, print};
use crate::detectors::VALUE_BYTES;
use crate::patterns;

/// The bytes of a salt: digests of two policies have nothing in common.
const SALT_BYTES: usize = 16;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The salt; a new one, unless digests are to be added to others
    #[arg(long, value_name = "TEXT")]
    salt: Option<String>,
    /// The bytes of values, as the detector's `set` says
    #[arg(long, value_name = "SET", conflicts_with = "allow")]
    set: Option<String>,
    /// Print them for the `allow` of a DlpProfile, not for the `values` of a Detector
    #[arg(long)]
    allow: bool,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let mut text = String::new();
    if let Err(error) = io::stdin().lock().read_to_string(&mut text) {
        return fail(&format!("standard input can not be read: {error}"));
    }
    let salt = match &args.salt {
        Some(salt) => salt.clone(),
        None => match salt() {
            Ok(salt) => salt,
            Err(why) => return fail(&format!("no salt can be made: {why}")),
        },
    };
    match args.hash(&text, &salt) {
        Ok(yaml) => print(&yaml),
        Err(why) => fail(&why),
    }
}

fn salt() -> Result<String, getrandom::Error> {
    let mut bytes = [0; SALT_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(hex(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

impl Args {
    /// YAML of the values, one a line. What is wrong with a value is said of its line: it is not repeated.
    fn hash(&self, text: &str, salt: &str) -> Result<String, String> {
        let plain = |salt: &str| {
            !salt.is_empty() && salt.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if !plain(salt) {
            return Err("a salt is of letters, digits, `.`, `_` and `-`".to_owned());
        }
        let set = self.set.as_deref().unwrap_or(VALUE_BYTES);
        let bytes = patterns::byte_set(set)
            .map_err(|_| format!("`{set}` is no set of bytes: write one as '[0-9A-Za-z_]'"))?;
        let (mut lengths, mut digests) = (BTreeSet::new(), BTreeSet::new());
        for (line, value) in text.lines().enumerate().filter(|(_, value)| !value.is_empty()) {
            let value = folded(value);
            let wrong = if self.allow {
                None
            } else if !(4..=255).contains(&value.len()) {
                Some("has not 4 to 255 bytes: a shorter one would be found everywhere")
            } else if !value.iter().all(|&byte| bytes.contains(byte)) {
                Some(
                    "has bytes that are no part of a word: name all of them with `--set`, or find it by `words`",
                )
            } else {
                None
            };
            if let Some(wrong) = wrong {
                return Err(format!("the value on line {} {wrong}", line + 1));
            }
            lengths.insert(value.len());
            digests.insert(hex(&digest(salt, &value)));
        }
        if digests.is_empty() {
            return Err("there are no values: write them to standard input, one a line".to_owned());
        }
        let lengths: Vec<String> = lengths.iter().map(ToString::to_string).collect();
        let mut yaml = match self.allow {
            true => "allow:\n".to_owned(),
            false => format!("values:\n  salt: \"{salt}\"\n  lengths: [{}]\n", lengths.join(", ")),
        };
        if let Some(set) = &self.set {
            let _ = writeln!(yaml, "  set: '{}'", set.replace('\'', "''"));
        }
        if !self.allow {
            yaml.push_str("  digests:\n");
        }
        for digest in digests {
            let _ = match self.allow {
                true => writeln!(yaml, "  - hash: \"{salt}:{digest}\""),
                false => writeln!(yaml, "    - \"{digest}\""),
            };
        }
        Ok(yaml)
    }
}

#[cfg(test)]
mod tests {
    use super::Args;

    fn hash(text: &str, set: Option<&str>, allow: bool) -> Result<String, String> {
        Args { salt: None, set: set.map(Into::into), allow }.hash(text, "s1")
    }

    #[test]
    fn values_become_digests_that_others_can_make() {
        // `printf 's1:EMP-204417' | sha256sum | cut -c1-32`
        let digest = "1901d7709ab18494d0158b92c5fef87c";
        let expected = format!("values:\n  salt: \"s1\"\n  lengths: [10]\n  digests:\n    - \"{digest}\"\n");
        assert_eq!(hash("EMP-204417\n\nEMP-204417\n", None, false).unwrap(), expected);
        // Full-width letters are the same value.
        assert_eq!(hash("\u{ff25}MP-204417", None, false).unwrap(), expected);
        assert_eq!(hash("EMP-204417", None, true).unwrap(), format!("allow:\n  - hash: \"s1:{digest}\"\n"));
        assert!(hash("a.b@c.d", Some("[a-z.@']"), false).unwrap().contains("  set: '[a-z.@'']'\n"));
    }

    #[test]
    fn what_could_not_be_found_is_told_by_its_line() {
        assert!(hash("abcd\nabc\n", None, false).unwrap_err().starts_with("the value on line 2 has not 4"));
        assert!(hash("two words", None, false).unwrap_err().starts_with("the value on line 1 has bytes"));
        assert!(hash("\n", None, false).is_err() && hash("abcd", Some("ab"), false).is_err());
        assert!(Args { salt: None, set: None, allow: false }.hash("abcd", "a:b").is_err());
    }
}
