//! Names that no client sends, or that the engine refuses before it compares them.

use sallyport_engine::is_plain_uri;
use sallyport_engine::policy::{LlmApi, Operations};

use super::warn;
use crate::diagnostic::Diagnostics;
use crate::lint::view::RuleView;
use crate::shape::Text;

/// What a `*` in a URI is tried with: nothing, a name, a folder and both.
const STANDS_FOR: [&str; 4] = ["", "x", "/x", "x/x"];

pub(super) fn report(rule: &RuleView<'_, '_, '_>, out: &mut Diagnostics) {
    let operations = rule.operations;
    for text in ["models", "prompts"].into_iter().flat_map(|key| operations.texts(key)) {
        if text.text.trim() != text.text {
            let message = format!("`{}` begins or ends in a blank, and names do not", text.text);
            warn(text.at, message, format!("write `{}`", text.text.trim()), out);
        }
    }
    operations.texts("resources").filter(|uri| !can_be_plain(uri.text)).for_each(|uri| resource(uri, out));
    if let Operations::Llm(llm) = &rule.rule.operations
        && llm.apis == [LlmApi::Models]
    {
        for model in operations.texts("models").filter(|model| model.text != "*") {
            let message =
                format!("`{}` says nothing about `apis: [models]`: the list is granted whole", model.text);
            warn(model.at, message, "write `models: [\"*\"]`, or name the APIs that the model is for", out);
        }
    }
}

fn resource(uri: Text<'_>, out: &mut Diagnostics) {
    let message =
        format!("a resource with the URI `{}` is always refused: it has another spelling", uri.text);
    let help = "write it as it is compared: `file:///a/b`, without empty segments, user, default port or trailing dot";
    warn(uri.at, message, help, out);
}

/// Whether a URI that the pattern covers gets as far as being compared. Where there are many stars it is taken to.
fn can_be_plain(pattern: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return is_plain_uri(pattern) };
    pattern.bytes().filter(|b| *b == b'*').count() > 3
        || before.is_empty()
        || STANDS_FOR.iter().any(|text| can_be_plain(&format!("{before}{text}{after}")))
}

#[cfg(test)]
mod tests {
    use super::can_be_plain;

    #[test]
    fn a_uri_pattern_is_tried_with_what_a_star_may_stand_for() {
        for pattern in
            ["*", "file://*", "file:///docs/*", "docs://*", "https://*.example/*", "urn:*", "file:///*/a*"]
        {
            assert!(can_be_plain(pattern), "{pattern}");
        }
        for pattern in ["file:////a", "file:///a//b", "file://host/*", "https://h:443/*", "https://u@h/*"] {
            assert!(!can_be_plain(pattern), "{pattern}");
        }
    }
}
