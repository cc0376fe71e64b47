//! What the Helm chart makes of values, without Helm.
//!
//! The chart is the one place that says which resources there are; this program carries a copy of it. `tests/istio/test_chart.py` renders a
//! matrix of values with both and compares: docs/decisions/0016-the-chart-without-helm.md.

mod chart;
mod schema;
mod template;
mod value;
mod values;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::slice;

use serde_json::Value as Json;

use self::template::{Failure, Templates};
use self::value::Value;
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::files;
use crate::report::Report;
use crate::sources::{FileId, Sources, Span};
use crate::tree::{Node, Value as Written};

/// What says which installation it is; Helm calls it a release.
pub(crate) struct Release<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Where it is.
    pub(crate) namespace: &'a str,
}

/// What came of values.
pub(crate) struct Rendered {
    /// The resources, as YAML.
    pub(crate) resources: String,
    /// What is worth knowing about them.
    pub(crate) notes: String,
}

/// The order in which what others need comes first, as Helm sorts; anything else follows.
const ORDER: [&str; 7] = [
    "NetworkPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "Service",
    "Deployment",
];

/// Renders the chart with the values of these files, each over the one before. What is wrong with them is in the report, where no line
/// shows a secret.
pub(crate) fn render(paths: &[PathBuf], release: &Release<'_>) -> (Result<Rendered, String>, Report) {
    let mut report = Report::default();
    // Each for itself: here the order counts.
    let mut files = Vec::new();
    for path in paths {
        files.extend(files::read(slice::from_ref(path), &mut report));
    }
    let Report { sources, mut diagnostics } = report;
    let rendered = attempt(&sources, &files, release, &mut diagnostics);
    let sources = without_secrets(&sources);
    (rendered.map_err(|failure| failure.to_string()), Report { sources, diagnostics })
}

fn attempt(
    sources: &Sources,
    files: &[FileId],
    release: &Release<'_>,
    out: &mut Diagnostics,
) -> Result<Rendered, Failure> {
    let broken = |why: &str| Failure::Broken { template: "values".to_owned(), why: why.to_owned() };
    let schema: Json = serde_json::from_str(chart::SCHEMA).map_err(|_| broken("the schema is no JSON"))?;
    let defaults = own(chart::VALUES).ok_or_else(|| broken("the defaults are no YAML"))?;
    let about = own(chart::CHART).ok_or_else(|| broken("Chart.yaml is no YAML"))?;
    let mut given = Value::Map(BTreeMap::new());
    let mut nodes = Vec::new();
    for &file in files {
        let mut documents = files::parse(sources, file, out);
        if let Some(second) = documents.get(1) {
            let help = "give each document a file of its own, in the order in which they count";
            out.push(
                Diagnostic::new(Id::WrongType, second.span, "a second document is no values").help(help),
            );
        }
        if let Some(node) = (!documents.is_empty()).then(|| documents.swap_remove(0)) {
            schema::check(&schema, &node, &defaults, out);
            given = values::lay(values::value(&node), given);
            nodes.push(node);
        }
    }
    let why = "the values are not in order";
    if out.has_errors() {
        return Err(Failure::Refused(why.to_owned()));
    }
    let Value::Map(defaults) = defaults else { return Err(broken("the defaults are no mapping")) };
    let root = root(values::complete(given, defaults), about, release);
    all(&root).map_err(|failure| match failure {
        Failure::Refused(why_not) => {
            let span = place(&nodes, &why_not).or_else(|| files.last().map(|&file| Span::start_of(file)));
            match span {
                Some(span) => {
                    let (message, help) = why_not.split_once(": ").unwrap_or((&why_not, ""));
                    let help = (!help.is_empty()).then(|| help.to_owned());
                    out.push(Diagnostic::new(Id::ConflictingKeys, span, message).maybe_help(help));
                    Failure::Refused(why.to_owned())
                }
                None => Failure::Refused(why_not),
            }
        }
        broken @ Failure::Broken { .. } => broken,
    })
}

/// A file of the chart.
fn own(text: &str) -> Option<Value> {
    let (mut sources, mut out) = (Sources::default(), Diagnostics::default());
    let file = sources.add("chart.yaml", text);
    let documents = files::parse(&sources, file, &mut out);
    documents.first().filter(|_| !out.has_errors()).map(values::value)
}

/// What templates see.
fn root(values: BTreeMap<String, Value>, about: Value, release: &Release<'_>) -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    // Chart.yaml begins its keys in lower case, templates in upper case.
    let upper = |key: String| {
        key.get(..1).map(str::to_uppercase).unwrap_or_default() + key.get(1..).unwrap_or_default()
    };
    let about = match about {
        Value::Map(map) => map.into_iter().map(|(key, value)| (upper(key), value)).collect(),
        _ => BTreeMap::new(),
    };
    let release = [
        ("Name", text(release.name)),
        ("Namespace", text(release.namespace)),
        // Goes into the label `app.kubernetes.io/managed-by`; Helm is told by it what is its own.
        ("Service", text("policy-compiler")),
    ];
    let release = release.map(|(key, value)| (key.to_owned(), value));
    let all = [
        ("Values", Value::Map(values)),
        ("Chart", Value::Map(about)),
        ("Release", Value::Map(release.into_iter().collect())),
    ];
    Value::Map(all.map(|(key, value)| (key.to_owned(), value)).into_iter().collect())
}

/// Renders every template, and puts the resources in order.
fn all(root: &Value) -> Result<Rendered, Failure> {
    let mut templates = Templates::default();
    for (name, text) in chart::TEMPLATES.iter().chain([&chart::HELPERS, &chart::NOTES]) {
        templates.add(name, text)?;
    }
    let mut resources = Vec::new();
    for (name, _) in chart::TEMPLATES {
        for document in templates.render(name, root)?.split("\n---") {
            resources.extend(resource(name, document)?);
        }
    }
    resources.sort_by_key(|(order, _)| *order);
    let resources = resources.into_iter().map(|(_, text)| format!("---\n{text}\n")).collect();
    let notes = templates.render(chart::NOTES.0, root)?.trim().to_owned();
    Ok(Rendered { resources, notes })
}

/// One document, if it holds anything: its place in the order, and its text. It must be YAML, and a resource.
fn resource(name: &str, text: &str) -> Result<Option<(usize, String)>, Failure> {
    let broken = |why: &str| Failure::Broken { template: name.to_owned(), why: why.to_owned() };
    let (mut sources, mut out) = (Sources::default(), Diagnostics::default());
    let file = sources.add("rendered.yaml", text);
    let documents = files::parse(&sources, file, &mut out);
    if out.has_errors() || documents.len() > 1 {
        return Err(broken("what comes of it is not YAML"));
    }
    let Some(node) = documents.first() else { return Ok(None) };
    let Value::Map(map) = values::value(node) else { return Err(broken("what comes of it is no resource")) };
    let Some(Value::Text(kind)) = map.get("kind") else { return Err(broken("what comes of it has no kind")) };
    let order = ORDER.iter().position(|known| known == kind).unwrap_or(ORDER.len());
    Ok(Some((order, text.trim().to_owned())))
}

/// Where the value stands that a message begins with, or as much of the way to it as is written; the last file counts first.
fn place(nodes: &[Node<'_>], message: &str) -> Option<Span> {
    let path: Vec<_> = message.split([' ', ':']).next().unwrap_or_default().split('.').collect();
    let deepest = |node: &Node<'_>| {
        let (mut node, mut span, mut depth) = (node, None, 0);
        for key in &path {
            let Written::Map(entries) = &node.value else { break };
            let Some(entry) = entries.iter().find(|entry| *entry.key == **key) else { break };
            (node, span, depth) = (&entry.node, Some(entry.at), depth + 1);
        }
        span.map(|span| (depth, span))
    };
    nodes.iter().filter_map(deepest).max_by_key(|(depth, _)| *depth).map(|(_, span)| span)
}

/// The same files for showing excerpts of, without what follows the key `secret` in a line.
fn without_secrets(sources: &Sources) -> Sources {
    let mut shown = Sources::default();
    for file in sources.ids() {
        shown.add(sources.name(file), hidden(sources.text(file)));
    }
    shown
}

/// A block below the key, or a text over several lines, is hidden up to the next line with a key.
fn hidden(text: &str) -> String {
    let (mut out, mut open) = (String::with_capacity(text.len()), false);
    for line in text.split_inclusive('\n') {
        let from = match line.find("secret").map(|at| at + "secret".len()) {
            Some(at) if line.get(at..).is_some_and(is_key_end) => Some(at),
            _ if open && !line.trim_end().ends_with(':') && !line.contains(": ") => Some(0),
            _ => None,
        };
        open = from.is_some();
        let from = from.map_or(line.len(), |at| value_from(line, at));
        let (seen, rest) = line.split_at(from);
        out.push_str(seen);
        // A byte for a byte, so that every place stays where it is.
        out.extend(rest.bytes().map(|byte| if byte == b'\n' { '\n' } else { '*' }));
    }
    out
}

/// Where a value begins, behind what ends its key or indents it.
fn value_from(line: &str, at: usize) -> usize {
    let rest = line.get(at..).unwrap_or_default();
    let value = rest.trim_start_matches(['"', '\'']).trim_start();
    line.len() - value.strip_prefix(':').unwrap_or(value).trim_start_matches(' ').len()
}

fn is_key_end(text: &str) -> bool {
    text.trim_start_matches(['"', '\'', ' ']).starts_with(':')
}

#[cfg(test)]
mod tests;
