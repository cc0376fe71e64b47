//! Where values stand.

/// A place in a text. `{}` is the value, `{{}}` the words that stand before it, where a detector asks for some.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Context {
    /// A JSON document, in which the value is escaped.
    Json,
    /// The value of a key, which holds the words.
    Field,
    Prose,
    Yaml,
    Environment,
}

pub(crate) const CONTEXTS: &[Context] =
    &[Context::Json, Context::Prose, Context::Field, Context::Yaml, Context::Environment];

/// The value in a text, with words before it.
pub(crate) fn embed(context: Context, words: &str, value: &str) -> String {
    let before = if words.is_empty() { String::new() } else { format!("{words}: ") };
    // A value of several lines, or with quotes, stands alone in its text.
    let plain = !value.contains(['\n', '\r', '"', '\'', '\\', '#']) && value.trim() == value;
    match context {
        Context::Json => {
            let arguments =
                serde_json::json!({"id": 17, "message": format!("{before}{value}"), "tags": ["a", "b"]});
            serde_json::json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call",
                "params": {"name": "send", "arguments": arguments}})
            .to_string()
        }
        Context::Field => {
            let key = if words.is_empty() { "value".to_owned() } else { words.replace(' ', "_") };
            serde_json::json!({"record": {"name": "entry", key: value, "active": true}}).to_string()
        }
        Context::Yaml if plain => {
            let key = if words.is_empty() { "setting".to_owned() } else { words.replace(' ', "_") };
            format!("service:\n  name: mailer\n  {key}: \"{value}\"\n  retries: 3\n")
        }
        Context::Environment if plain => {
            let key = if words.is_empty() {
                "SETTING".to_owned()
            } else {
                words.replace([' ', '-'], "_").to_uppercase()
            };
            format!("HOST=localhost.localdomain\n{key}={value}\nPORT=8080\n")
        }
        Context::Prose | Context::Yaml | Context::Environment => {
            format!(
                "As agreed this morning, here it is. {before}{value}\nLet me know whether it works for you."
            )
        }
    }
}
