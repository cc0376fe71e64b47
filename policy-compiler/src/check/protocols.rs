//! Rules for A2A, gRPC and models.

use sallyport_engine::http::HostPattern;
use sallyport_engine::policy::{A2aMatch, A2aMethod, GrpcMatch, LlmApi, LlmMatch};

use super::names::distinct;
use super::operations::{TOOL_HELP, globs, is_plain, is_tool_pattern};
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::shape::{Fields, Text};
use crate::suggest::did_you_mean;

pub(super) fn a2a(fields: Fields<'_, '_>, out: &mut Diagnostics) -> A2aMatch {
    let methods = distinct(fields.texts("methods"), "methods", out);
    let mut methods: Vec<_> = methods.into_iter().filter_map(|method| a2a_method(method, out)).collect();
    methods.sort_unstable();
    methods.dedup();
    A2aMatch { methods, push_hosts: hosts(fields, "pushHosts", out) }
}

fn a2a_method(method: Text<'_>, out: &mut Diagnostics) -> Option<A2aMethod> {
    let found = A2aMethod::of(method.text);
    if found.is_none() {
        let known = A2aMethod::NAMES.iter().flat_map(|(_, new, old)| [*new, *old]);
        let help = did_you_mean(method.text, known)
            .unwrap_or_else(|| "methods are named as `SendMessage`, one by one".to_owned());
        let message = format!("`{}` is not a method of A2A 0.3 or 1.0", method.text);
        out.push(Diagnostic::new(Id::Malformed, method.at, message).help(help));
    }
    found
}

/// Reads a list of hosts as URLs name them.
pub(super) fn hosts(fields: Fields<'_, '_>, key: &str, out: &mut Diagnostics) -> Vec<HostPattern> {
    let mut hosts = Vec::new();
    for text in distinct(fields.texts(key), key, out) {
        match HostPattern::parse(text.text) {
            Ok(host) => hosts.push(host),
            Err(why) => {
                let message = format!("`{}` can not stand in `{key}`: {why}", text.text);
                let help = "write a host as `hooks.example.com` or `*.example.com`, without scheme and port";
                out.push(Diagnostic::new(Id::Malformed, text.at, message).help(help));
            }
        }
    }
    hosts.sort_unstable();
    hosts
}

pub(super) fn grpc(fields: Fields<'_, '_>, out: &mut Diagnostics) -> GrpcMatch {
    let help = "write a method as `package.Service/Method`, or `package.Service/*` for all of a service";
    GrpcMatch { methods: globs(fields, "methods", is_grpc_pattern, help, out) }
}

fn is_grpc_pattern(pattern: &str) -> bool {
    let plain = pattern.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'/' | b'*'));
    plain && pattern.split('/').count() == 2 && !pattern.split('/').any(str::is_empty)
}

pub(super) fn llm(fields: Fields<'_, '_>, out: &mut Diagnostics) -> LlmMatch {
    let apis = distinct(fields.texts("apis"), "apis", out);
    let mut apis: Vec<_> = apis.into_iter().filter_map(|api| LlmApi::of(api.text)).collect();
    apis.sort_unstable();
    LlmMatch {
        apis,
        models: globs(fields, "models", is_model_pattern, MODEL_HELP, out),
        tools: globs(fields, "tools", is_tool_pattern, TOOL_HELP, out),
    }
}

const MODEL_HELP: &str = "a model's name holds no control characters and none of `?[]{}()|^$\\`; `*` stands for any others, and nothing else does";

/// Whether a model could be called so: what other languages of patterns are made of would match nothing, and a deny would be silent.
fn is_model_pattern(pattern: &str) -> bool {
    is_plain(pattern) && !pattern.contains(['?', '[', ']', '{', '}', '(', ')', '|', '^', '$', '\\'])
}

#[cfg(test)]
mod tests {
    use super::is_grpc_pattern;

    #[test]
    fn grpc_patterns_have_a_service_and_a_method() {
        for pattern in ["shop.Cart/GetItems", "shop.Cart/*", "*/*", "Cart/Get*"] {
            assert!(is_grpc_pattern(pattern), "{pattern}");
        }
        for pattern in ["", "*", "shop.Cart", "/shop.Cart/GetItems", "shop.Cart/", "shop.Cart/Get Items"] {
            assert!(!is_grpc_pattern(pattern), "{pattern}");
        }
    }
}
