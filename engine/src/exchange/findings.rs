//! Inspecting what a granted request carries.

use super::{Exchange, Pending};
use crate::decide::Origin;
use crate::http::{Head, Part};
use crate::json::{Document, Numbers};
use crate::policy::Policy;
use crate::reason::Reason;
use crate::scan::{Action, Inspection, Inspector, Place, Vault};

impl Exchange {
    /// Text is inspected as it stands, and as JSON where it happens to be JSON, or nearly so.
    pub(super) fn scan_text(
        &mut self,
        policy: &Policy,
        pending: &Pending,
        body: &[u8],
    ) -> Result<(), Reason> {
        if let Ok(document) = Document::parse_with(body, Numbers::Opaque) {
            return self.scan_document(policy, pending, &document);
        }
        self.inspect(policy, &pending.origin, |inspector| inspector.text(body))
    }

    /// What is text in gRPC messages is inspected; what is not stays unread.
    pub(super) fn scan_grpc(
        &mut self,
        policy: &Policy,
        pending: &Pending,
        body: &[u8],
    ) -> Result<(), Reason> {
        let most = usize::try_from(policy.parts().limits.max_body_bytes).unwrap_or(0);
        self.inspect(policy, &pending.origin, |inspector| {
            inspector.grpc(body, (pending.messages, most), &mut |_, _| {});
        })
    }

    /// A form's names and values are inspected as they are meant; one that is JSON, as JSON.
    pub(super) fn scan_form(&mut self, policy: &Policy, pending: &Pending, body: &str) -> Result<(), Reason> {
        if let Ok(document) = Document::parse_with(body.as_bytes(), Numbers::Opaque) {
            return self.scan_document(policy, pending, &document);
        }
        self.inspect(policy, &pending.origin, |inspector| inspector.form(body))
    }

    /// The headers and the content of every part are inspected.
    pub(super) fn scan_parts(
        &mut self,
        policy: &Policy,
        pending: &Pending,
        length: usize,
        parts: &[Part<'_>],
    ) -> Result<(), Reason> {
        self.inspect(policy, &pending.origin, |inspector| inspector.parts(length, parts))
    }

    /// Every key, string and number of a document is inspected, and where a string is itself a JSON text, as the arguments of tool calls
    /// often are, every one in that.
    pub(super) fn scan_document(
        &mut self,
        policy: &Policy,
        pending: &Pending,
        document: &Document<'_>,
    ) -> Result<(), Reason> {
        self.inspect(policy, &pending.origin, |inspector| inspector.document(document))
    }

    /// What a head carries besides the body: its path, its query, and its headers. Nothing is replaced there. In a query or a header,
    /// what asks for that is refused; in a path it is only noted, for paths are full of numbers.
    pub(super) fn scan_head(
        &mut self,
        policy: &Policy,
        origin: &Origin,
        head: &Head<'_>,
        target: &str,
    ) -> Result<(), Reason> {
        self.inspect(policy, origin, |inspector| {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            inspector.head("path", path.as_bytes(), Action::Alert);
            if !query.is_empty() {
                inspector.query(query, Action::Block);
            }
            headers(inspector, head);
        })
    }

    /// A request's trailers are inspected as its headers are.
    pub(super) fn scan_trailers(
        &mut self,
        policy: &Policy,
        origin: &Origin,
        trailers: &Head<'_>,
    ) -> Result<(), Reason> {
        self.inspect(policy, origin, |inspector| headers(inspector, trailers))
    }

    fn inspect(
        &mut self,
        policy: &Policy,
        origin: &Origin,
        look: impl FnOnce(&mut Inspector<'_>),
    ) -> Result<(), Reason> {
        let (agent, service) = (policy.agent(origin.agent), policy.service(origin.service));
        let profile = agent.and_then(|agent| policy.profile(agent, service)).ok_or(Reason::Internal)?;
        let catalogue = &policy.parts().catalogue;
        let mut inspector =
            Inspector::new(catalogue, &profile, Place::Request).for_tool(self.memory.tool.as_deref());
        if policy.tokenises(&profile) {
            let kept = self.memory.vault.take();
            inspector.keep_in(kept.unwrap_or_else(|| Vault::new(self.around.nonce())));
        }
        look(&mut inspector);
        let Inspection { findings, edits, refusal, vault } = inspector.finish();
        self.memory.vault = vault;
        self.record.findings.extend(findings);
        self.edits.extend(edits);
        refusal.map_or(Ok(()), Err)
    }
}

/// Inspects the headers of a request, or its trailers.
fn headers(inspector: &mut Inspector<'_>, head: &Head<'_>) {
    for ((name, value), expected) in head.looked_at() {
        inspector.header(name, value, Action::Block, expected);
    }
}
