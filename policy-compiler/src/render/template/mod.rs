//! The part of Go's template language that the chart is written in, and of the functions that Helm adds to it.
//!
//! What is not known here is refused, when a template is read or when it is run: a chart that needs more is found by the tests that render
//! it, and never rendered as something else. `tests/istio/test_chart.py` holds what comes of it against the real Helm's answer.

mod eval;
mod functions;
mod parse;

use std::collections::BTreeMap;
use std::fmt;

use super::value::Value;

/// Templates that know each other, by name: files, and what they `define`.
#[derive(Debug, Default)]
pub(super) struct Templates {
    named: BTreeMap<String, Vec<Piece>>,
}

/// Why nothing was rendered.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Failure {
    /// A template says, with `fail`, that the values make no sense, and why.
    Refused(String),
    /// A template is broken, or needs more than there is here.
    Broken {
        /// Where.
        template: String,
        /// What is the matter.
        why: String,
    },
}

/// A piece of a template.
#[derive(Debug)]
enum Piece {
    /// What stands there.
    Text(String),
    /// What a pipeline comes to.
    Show(Pipeline),
    /// `$name := pipeline`.
    Let(String, Pipeline),
    /// `if`, and each `else if`; then `else`.
    If(Vec<(Pipeline, Vec<Piece>)>, Vec<Piece>),
    /// `with`; then `else`.
    With(Pipeline, Vec<Piece>, Vec<Piece>),
    /// `range`, with the variables for index and item; then `else`.
    Range { index: Option<String>, item: Option<String>, over: Pipeline, body: Vec<Piece>, none: Vec<Piece> },
}

/// Commands, each of which gets the result of the one before as its last argument.
#[derive(Debug)]
struct Pipeline(Vec<Command>);

/// A function with its arguments, or an operand alone.
#[derive(Debug)]
enum Command {
    Call(String, Vec<Operand>),
    Operand(Operand),
}

/// A value, and the keys that lead into it.
#[derive(Debug)]
struct Operand {
    root: Root,
    keys: Vec<String>,
}

#[derive(Debug)]
enum Root {
    /// `.`
    Dot,
    /// `$`, or `$name`.
    Variable(String),
    /// A literal.
    Literal(Value),
    /// `(…)`
    Pipeline(Pipeline),
}

impl Templates {
    /// Adds a file, and all that it defines.
    pub(super) fn add(&mut self, name: &str, text: &str) -> Result<(), Failure> {
        let (pieces, defined) = parse::file(text).map_err(|why| broken(name, why))?;
        for (name, pieces) in defined.into_iter().chain([(name.to_owned(), pieces)]) {
            if self.named.insert(name.clone(), pieces).is_some() {
                return Err(broken(&name, "there are two of this name"));
            }
        }
        Ok(())
    }

    /// What a template comes to.
    pub(super) fn render(&self, name: &str, data: &Value) -> Result<String, Failure> {
        eval::run(self, name, data, 0)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => f.write_str(why),
            Self::Broken { template, why } => {
                write!(f, "the chart's template `{template}` can not be rendered: {why}")
            }
        }
    }
}

fn broken(template: &str, why: impl Into<String>) -> Failure {
    Failure::Broken { template: template.to_owned(), why: why.into() }
}

#[cfg(test)]
mod tests;
