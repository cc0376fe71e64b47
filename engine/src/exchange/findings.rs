//! Inspecting what a granted request carries.

use super::{Exchange, Pending};
use crate::json::{Document, Numbers};
use crate::policy::Policy;
use crate::reason::Reason;
use crate::record::MAX_FINDINGS;
use crate::scan::{Inspection, Inspector, Place};

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
        self.inspect(policy, pending, |inspector| inspector.text(body))
    }

    /// A form's names and values are inspected as they are meant; one that is JSON, as JSON.
    pub(super) fn scan_form(&mut self, policy: &Policy, pending: &Pending, body: &str) -> Result<(), Reason> {
        if let Ok(document) = Document::parse_with(body.as_bytes(), Numbers::Opaque) {
            return self.scan_document(policy, pending, &document);
        }
        self.inspect(policy, pending, |inspector| inspector.form(body))
    }

    /// Every key, string and number of a document is inspected, and where a string is itself a JSON text, as the arguments of tool calls
    /// often are, every one in that.
    pub(super) fn scan_document(
        &mut self,
        policy: &Policy,
        pending: &Pending,
        document: &Document<'_>,
    ) -> Result<(), Reason> {
        self.inspect(policy, pending, |inspector| inspector.document(document))
    }

    fn inspect(
        &mut self,
        policy: &Policy,
        pending: &Pending,
        look: impl FnOnce(&mut Inspector<'_>),
    ) -> Result<(), Reason> {
        let (agent, service) = (policy.agent(pending.origin.agent), policy.service(pending.origin.service));
        let profile = agent.and_then(|agent| policy.profile(agent, service)).ok_or(Reason::Internal)?;
        let mut inspector = Inspector::new(&policy.parts().catalogue, &profile, Place::Request);
        look(&mut inspector);
        let Inspection { findings, edits, refusal, .. } = inspector.finish();
        let room = MAX_FINDINGS.saturating_sub(self.record.findings.len());
        self.record.findings.extend(findings.into_iter().take(room));
        self.edits = edits;
        refusal.map_or(Ok(()), Err)
    }
}
