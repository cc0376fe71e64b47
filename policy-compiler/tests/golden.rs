//! Bundles that were made once: `tests/golden/format-N.bundle` of the current format, which the compiler must make today of the same policy,
//! byte for byte, on any machine; and of the formats before it, which are refused in words that say what to do.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::path::{Path, PathBuf};

use policy_compiler::cases::{self, Case};
use policy_compiler::decide::{Runner, differences};
use policy_compiler::keys::{self, SecretKey};
use policy_compiler::native::Native;
use sallyport_engine::Policy;
use sallyport_engine::bundle::{self, Bundle, BundleError, Change, KeySet, PublicKey, Terms, Trust};
use sallyport_engine::policy::PolicyParts;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

fn current() -> PathBuf {
    golden().join(format!("format-{}.bundle", bundle::FORMAT))
}

fn golden_cases() -> Vec<Case> {
    let (cases, report) = cases::load(&[golden().join("golden.cases.yaml")]);
    assert!(!report.has_errors() && !cases.is_empty());
    cases
}

#[test]
fn the_compiler_makes_the_golden_bundle_of_today() {
    let (made, report) = policy_compiler::load_bundle(&golden().join("policy.yaml"));
    assert!(!report.has_errors());
    let made = made.unwrap();
    if std::env::var_os("SALLYPORT_UPDATE").is_some() {
        std::fs::write(current(), &made).unwrap();
    }
    assert!(
        std::fs::read(current()).unwrap() == made,
        "the bundle of tests/golden/policy.yaml has changed: if that is meant, SALLYPORT_UPDATE=1 writes it anew; once the format \
         was released, raise bundle::FORMAT and keep the old file, which is then refused"
    );
}

/// The golden bundle under terms, signed: by a key that is no secret, as it stands here.
fn signed() -> Vec<u8> {
    let policy = policy_compiler::load_policy(&golden().join("policy.yaml")).0.unwrap();
    let parts = PolicyParts { serial: 42, ..policy.parts().clone() };
    let terms = Terms {
        not_before: 1_700_000_000,
        not_after: 4_000_000_000,
        audience: Some("tools/tool-api".to_owned()),
    };
    let bytes = bundle::encode_under(&Policy::new(parts).unwrap(), &terms).unwrap();
    keys::sign(&bytes, &[golden_key()]).unwrap()
}

/// The key of RFC 8032 section 7.1, test 1: known to everybody.
fn golden_key() -> SecretKey {
    let body = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
    let label = ["PRIVATE", "KEY"].join(" ");
    SecretKey::parse(&format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")).unwrap()
}

#[test]
fn the_signed_golden_bundle_is_that_of_today_and_verifies() {
    let path = golden().join(format!("format-{}-signed.bundle", bundle::FORMAT));
    let made = signed();
    if std::env::var_os("SALLYPORT_UPDATE").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read(&path).unwrap();
    assert!(
        kept == made,
        "the signed bundle has changed: if that is meant, SALLYPORT_UPDATE=1 writes it anew"
    );
    // The public key as the RFC prints it.
    let public = PublicKey::parse("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=").unwrap();
    assert_eq!(golden_key().public(), Some(public));
    let trust =
        Trust { keys: KeySet::new(vec![public], Vec::new()), audience: Some("tools/tool-api".to_owned()) };
    let accept = |now| trust.accept(None, &Bundle::read(&kept).unwrap(), Some(now));
    assert_eq!(accept(1_800_000_000), Ok(Change::Replace));
    assert_eq!(accept(4_000_000_000), Err(BundleError::Expired));
}

#[test]
fn the_golden_bundle_is_judged_by() {
    let mut native = Native::new(&std::fs::read(current()).unwrap()).unwrap();
    for case in golden_cases() {
        native.begin(&case).unwrap();
        let observed = native.run(&case).unwrap();
        assert_eq!(differences(&case, &observed), Vec::<String>::new(), "{}", case.name);
    }
}

#[test]
fn bundles_of_earlier_formats_are_refused_with_what_to_do() {
    let files = golden().read_dir().unwrap().map(|entry| entry.unwrap().path());
    let bundles: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|name| name == "bundle")).collect();
    let now = format!("format-{}", bundle::FORMAT);
    let (current, earlier): (Vec<_>, Vec<_>) = bundles
        .into_iter()
        .partition(|path| path.file_stem().unwrap().to_str().unwrap().trim_end_matches("-signed") == now);
    assert_eq!((current.len(), earlier.len() >= 2), (2, true), "{earlier:?}");
    for path in earlier {
        let bytes = std::fs::read(&path).unwrap();
        let refused = [bundle::decode(&bytes).map(drop), Bundle::read(&bytes).map(drop)];
        for refusal in refused.map(Result::unwrap_err) {
            assert_eq!(refusal.code(), "format", "{}", path.display());
            let text = refusal.to_string();
            assert!(text.contains("older format") && text.contains("compile it anew"), "{text}");
        }
    }
}

#[test]
fn a_bundle_of_another_format_is_refused_with_what_to_do() {
    let mut bytes = std::fs::read(current()).unwrap();
    let (older, newer) = ("the older format ", "the newer format ");
    for (other, age, remedy) in [
        (0, older, "compile it anew"),
        (bundle::FORMAT - 1, older, "compile it anew"),
        (bundle::FORMAT + 1, newer, "upgrade"),
        (u16::MAX, newer, "upgrade"),
    ] {
        bytes[8..10].copy_from_slice(&other.to_le_bytes());
        let refusal = bundle::decode(&bytes).unwrap_err().to_string();
        assert!(refusal.contains(&format!("{age}{other},")) && refusal.contains(remedy), "{refusal}");
    }
}
