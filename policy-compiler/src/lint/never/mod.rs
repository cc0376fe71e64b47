//! `never-matches`: rules, or parts of them, that no request can ever fit.

mod arguments;
mod circumstances;
mod hosts;
mod names;
mod routes;
mod texts;

use super::view::View;
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::sources::Span;

pub(super) fn report(view: &View<'_, '_, '_>, out: &mut Diagnostics) {
    hosts::report_services(view, out);
    routes::report_services(view, out);
}

pub(super) fn report_mission(view: &View<'_, '_, '_>, mission: usize, out: &mut Diagnostics) {
    for rule in view.rules_of(mission) {
        hosts::report(rule, out);
        circumstances::report(rule, mission, view, out);
        names::report(rule, out);
        routes::report(rule, out);
        arguments::report(rule, out);
    }
}

fn warn(at: Span, message: impl Into<String>, help: impl Into<String>, out: &mut Diagnostics) {
    out.push(Diagnostic::new(Id::NeverMatches, at, message).help(help));
}
