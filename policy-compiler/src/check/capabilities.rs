//! Capabilities: operations under a name, read when a rule names them.

use sallyport_engine::policy::{Effect, Protocol};

use super::names::Names;
use super::operations::{Covered, Reader};
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::language::Kind;
use crate::shape::{Fields, Text};
use crate::source::Document;

/// The capabilities of a policy.
pub(super) struct Capabilities<'n> {
    names: Names<'n>,
    /// By number: what each covers.
    read: Vec<Vec<Capability>>,
}

/// One operation of a capability, by the effect of the rule that names it: what it may be constrained by differs.
struct Capability {
    allowed: Option<Covered>,
    refused: Option<Covered>,
    /// Whether it says what only an `allow` rule can say.
    allow_only: bool,
}

impl<'n> Capabilities<'n> {
    /// Reads the capabilities, in the order of their names.
    pub(super) fn read(
        documents: &[Document<'n, '_>],
        services: &Names<'_>,
        spoken: &[Vec<Protocol>],
        out: &mut Diagnostics,
    ) -> Self {
        let names = Names::new(Kind::Capability, documents, out);
        let read = documents.iter().map(|document| {
            let operations = document.spec.list("operations").iter().map(Fields::of);
            let operations = operations.map(|fields| {
                let mut mistakes = Diagnostics::default();
                let allowed =
                    Reader { services, spoken, out: &mut mistakes }.operations(fields, Effect::Allow);
                let sound = !mistakes.has_errors();
                out.append(mistakes);
                let mut allow_only = Diagnostics::default();
                let refused =
                    Reader { services, spoken, out: &mut allow_only }.operations(fields, Effect::Deny);
                Capability { allowed, refused, allow_only: sound && allow_only.has_errors() }
            });
            operations.collect()
        });
        let read = read.collect();
        Self { names, read }
    }

    /// What a capability covers in a rule of this effect.
    pub(super) fn resolve(&self, name: Text<'_>, effect: Effect, out: &mut Diagnostics) -> Vec<Covered> {
        let Some(number) = self.names.resolve(name, out) else { return Vec::new() };
        let operations = self.read.get(usize::from(number)).map_or(&[][..], Vec::as_slice);
        if effect == Effect::Allow {
            return operations.iter().filter_map(|operation| operation.allowed.clone()).collect();
        }
        if operations.iter().any(|operation| operation.allow_only) {
            let message = format!("Capability `{}` says what only an `allow` rule can say", name.text);
            let help = "an operation of it has `additional` or `pushHosts`: name the operations in the rule itself, without them";
            out.push(Diagnostic::new(Id::ConflictingKeys, name.at, message).help(help));
        }
        operations.iter().filter_map(|operation| operation.refused.clone()).collect()
    }

    /// Warns of capabilities that no rule names.
    pub(super) fn report_unused(&self, out: &mut Diagnostics) {
        self.names.report_unused(out);
    }
}
