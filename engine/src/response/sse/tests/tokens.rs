//! Tokens for values that were taken out of the request.

use super::*;
use crate::response::TextStream;
use crate::scan::Vault;

const VALUE: &str = "jane.doe@acme.test";

/// A memory of one value, and its token.
fn memory() -> (Memory, String) {
    let mut vault = Vault::new(7);
    let token = vault.token("email-address", VALUE.as_bytes(), &[9; 32]).unwrap();
    (Memory { vault: Some(vault), ..Memory::default() }, token)
}

#[test]
fn a_token_that_is_split_anywhere_is_its_value_again_in_every_protocol() {
    let ((memory, token), policy) = (memory(), policy());
    let text = format!("write to {token}, or {token}[REDACTED:email-address:x]");
    let restored = text.replace(&token, VALUE);
    for protocol in ALL {
        for first in 0..=text.len() {
            for second in [first, (first + 3).min(text.len()), text.len()] {
                let texts = [&text[..first], &text[first..second], &text[second..]];
                let stream = protocol.stream(&texts);
                let outcome = run_with(&policy, &memory, &[stream.as_bytes()]);
                assert_eq!((outcome.refusal, outcome.findings), (None, Vec::new()), "{stream}");
                assert_eq!(protocol.text(&outcome.out), restored, "{stream}\n{}", outcome.out);
                assert_eq!(shape(&outcome.out), shape(&stream));
            }
        }
    }
}

#[test]
fn tokens_in_text_are_values_again_however_it_is_cut() {
    let ((memory, token), policy) = (memory(), policy());
    let profile = &policy.parts().profiles[0];
    let context = Context { policy: &policy, profile, memory: &memory };
    let text = format!("[{token} and \u{e9}{token}{}", &token[..20]);
    let restored = text.replace(&token, VALUE);
    for first in 0..=text.len() {
        for second in first..=text.len() {
            let mut stream = TextStream::new(false);
            let mut out = Vec::new();
            for (piece, end) in [
                (&text.as_bytes()[..first], End::More),
                (&text.as_bytes()[first..second], End::More),
                (&text.as_bytes()[second..], End::Last),
            ] {
                let pushed = stream.push(&context, piece, end);
                assert!(pushed.findings.is_empty() && pushed.refusal.is_none());
                out.extend(pushed.instead.unwrap_or_else(|| piece.to_vec()));
            }
            assert_eq!(String::from_utf8(out).unwrap(), restored, "{first} {second}");
        }
    }
}

#[test]
fn without_the_exchanges_own_vault_a_token_is_text() {
    let ((_, token), policy) = (memory(), policy());
    let stream = ALL[0].stream(&[&token]);
    assert_eq!(run_with(&policy, &Memory::default(), &[stream.as_bytes()]).out, stream);
    let mut other = Vault::new(8);
    other.token("email-address", VALUE.as_bytes(), &[9; 32]).unwrap();
    let memory = Memory { vault: Some(other), ..Memory::default() };
    assert_eq!(run_with(&policy, &memory, &[stream.as_bytes()]).out, stream);
}
