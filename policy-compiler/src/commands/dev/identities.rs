//! The identities of a playground: one for every agent, and those that the gate must turn away.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use sallyport_engine::Policy;
use sallyport_engine::identity::{SpiffeId, SpiffePattern};
use sallyport_engine::policy::{AgentId, PolicyParts};
use sallyport_playground::pki::{Ca, Svid};
use serde::{Serialize, Serializer};

/// What the gate's certificate says it is, beside its SPIFFE ID.
pub(super) const SERVER_NAME: &str = "localhost";
/// Who has a certificate and no agent.
const STRANGER: &str = "stranger";
/// Who has an agent's SPIFFE ID, but from a CA that nobody here trusts.
const FOREIGN: &str = "foreign";
/// The trust domain of policy that declares none; nobody can call then, but the gate can be watched refusing.
const NO_TRUST_DOMAIN: &str = "playground.internal";

/// Who can call, and where their files are.
#[derive(Debug)]
pub(super) struct Identities {
    /// By name: agents', and the two that are none.
    pub(super) callers: BTreeMap<String, Caller>,
    /// The gate's certificate.
    pub(super) server: Svid,
    /// Who signed it.
    pub(super) server_ca: Ca,
    /// The file with its signer's certificate, for callers to trust.
    pub(super) ca: PathBuf,
    /// The CA certificates of all trust domains, for the gate to trust.
    pub(super) trusted_pem: String,
    /// The trust domain of the playground's own workloads.
    home: String,
}

/// One caller's identity.
#[derive(Debug, Serialize)]
pub(super) struct Caller {
    pub(super) spiffe_id: String,
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
    /// The CA of the gate, for this caller to trust.
    pub(super) ca: PathBuf,
}

impl Serialize for Identities {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.callers.serialize(serializer)
    }
}

impl Identities {
    /// Makes a CA for every trust domain and a certificate for every caller, and writes them into `directory`.
    pub(super) fn mint(policy: &Policy, directory: &Path) -> Result<Self, Box<dyn Error>> {
        let parts = policy.parts();
        let domains = parts.trust_domains.iter().map(|domain| domain.as_str()).collect::<Vec<_>>();
        let home = *domains.first().unwrap_or(&NO_TRUST_DOMAIN);
        let mut cas = BTreeMap::from([(home, Ca::new(home)?)]);
        for domain in &domains {
            if !cas.contains_key(domain) {
                cas.insert(domain, Ca::new(domain)?);
            }
        }
        let ca = directory.join("ca.pem");
        let mut callers = BTreeMap::new();
        let mut write = |signer: &Ca, name: String, id: &SpiffeId| -> Result<(), Box<dyn Error>> {
            let files = signer.mint(&[id.as_str()])?.write(directory, &name)?;
            let (spiffe_id, ca) = (id.to_string(), ca.clone());
            callers.insert(name, Caller { spiffe_id, cert: files.certificate, key: files.key, ca });
            Ok(())
        };
        let agents = agents(parts);
        for (name, id) in &agents {
            if let Some(signer) = cas.get(id.trust_domain()) {
                write(signer, (*name).to_owned(), id)?;
            }
        }
        let taken: BTreeSet<&str> = agents.iter().map(|(name, _)| *name).collect();
        let stranger = stranger(parts, home)?;
        let claimed = agents.first().map_or(&stranger, |(_, id)| id);
        if let Some(signer) = cas.get(home) {
            write(signer, free_name(STRANGER, &taken), &stranger)?;
        }
        write(&Ca::new(claimed.trust_domain())?, free_name(FOREIGN, &taken), claimed)?;

        let trusted_pem = cas.values().map(Ca::certificate_pem).collect();
        let home = home.to_owned();
        let server_ca = cas.remove(home.as_str()).ok_or("the first trust domain has no CA")?;
        server_ca.write_certificate(&ca)?;
        let server = server_ca.mint_server(&workload(&home, "gate"))?;
        let identities = Self { callers, server, server_ca, ca, trusted_pem, home };
        identities.write_curl_files(directory)?;
        Ok(identities)
    }

    /// The SPIFFE ID of a workload of the playground itself.
    pub(super) fn id_of(&self, workload_name: &str) -> String {
        workload(&self.home, workload_name)
    }

    /// Leaves a file `<name>.curl` for each caller, and one for nobody, so that commands are short: `curl -K <file>`.
    fn write_curl_files(&self, directory: &Path) -> Result<(), Box<dyn Error>> {
        let quoted = |path: &Path| format!("{:?}", path.display().to_string());
        let trust = format!("cacert = {}\npath-as-is\n", quoted(&self.ca));
        fs::write(directory.join("nobody.curl"), &trust)?;
        for (name, caller) in &self.callers {
            let own = format!("cert = {}\nkey = {}\n", quoted(&caller.cert), quoted(&caller.key));
            fs::write(directory.join(format!("{name}.curl")), format!("{trust}{own}"))?;
        }
        Ok(())
    }
}

fn workload(home: &str, name: &str) -> String {
    format!("spiffe://{home}/ns/playground/sa/{name}")
}

/// An identity of each agent that has one, by the agent's name: its first exact one, or one that its first pattern covers.
fn agents(parts: &PolicyParts) -> Vec<(&str, SpiffeId)> {
    let mut first: BTreeMap<AgentId, SpiffeId> = BTreeMap::new();
    for (id, agent) in &parts.identities {
        first.entry(*agent).or_insert_with(|| id.clone());
    }
    for (pattern, agent) in &parts.patterns {
        if !first.contains_key(agent)
            && let Some(id) = example(pattern, parts)
        {
            first.insert(*agent, id);
        }
    }
    let agents = (0..).map(AgentId).zip(&parts.agents);
    agents.filter_map(|(id, agent)| Some((agent.name.as_str(), first.remove(&id)?))).collect()
}

/// A SPIFFE ID that the pattern covers and that is bound to no one by name.
fn example(pattern: &SpiffePattern, parts: &PolicyParts) -> Option<SpiffeId> {
    let bound = |id: &SpiffeId| parts.identities.iter().any(|(known, _)| known == id);
    let numbered = (1..=parts.identities.len() + 1).map(|number| format!("playground{number}"));
    let mut words = std::iter::once("playground".to_owned()).chain(numbered);
    words.find_map(|word| {
        let id = SpiffeId::parse(pattern.to_string().replace('*', &word).as_bytes()).ok()?;
        (!bound(&id)).then_some(id)
    })
}

/// A SPIFFE ID of the trust domain that belongs to no agent.
fn stranger(parts: &PolicyParts, domain: &str) -> Result<SpiffeId, Box<dyn Error>> {
    let belongs = |id: &SpiffeId| {
        parts.identities.iter().any(|(known, _)| known == id)
            || parts.patterns.iter().any(|(pattern, _)| pattern.matches(id))
    };
    // A pattern has as many segments as the IDs that it covers, so some length is free of them.
    for depth in 0..=parts.patterns.len() + 1 {
        let id = format!("spiffe://{domain}{}/ns/playground/sa/{STRANGER}", "/deeper".repeat(depth));
        match SpiffeId::parse(id.as_bytes()) {
            Ok(id) if !belongs(&id) => return Ok(id),
            _ => {}
        }
    }
    Err("policy covers every identity, so there is no stranger to mint".into())
}

fn free_name(name: &str, taken: &BTreeSet<&str>) -> String {
    let mut free = name.to_owned();
    while taken.contains(free.as_str()) {
        free.push_str("-caller");
    }
    free
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::report::Report;

    fn policy(identities: &[(&str, &str)]) -> Policy {
        let mut text =
            "apiVersion: sallyport.dev/v1\nkind: TrustDomain\nmetadata: {name: acme.internal}\n".to_owned();
        for (agent, identity) in identities {
            text.push_str(&format!(
                "---\napiVersion: sallyport.dev/v1\nkind: Agent\nmetadata: {{name: {agent}}}\nspec: {{identities: ['{identity}']}}\n"
            ));
        }
        let mut report = Report::default();
        report.sources.add("policy.yaml", text);
        let ids: Vec<_> = report.sources.ids().collect();
        crate::compile_files(&report.sources, &ids, &mut report.diagnostics).unwrap()
    }

    #[test]
    fn every_agent_has_an_identity_of_its_own_and_a_stranger_has_none() {
        let policy = policy(&[
            ("exact", "spiffe://acme.internal/ns/a/sa/exact"),
            ("pattern", "spiffe://acme.internal/ns/a/sa/work-*"),
            ("taken", "spiffe://acme.internal/ns/a/sa/work-playground"),
            ("wide", "spiffe://acme.internal/ns/*/sa/st*"),
            ("stranger", "spiffe://acme.internal/x"),
        ]);
        let directory = tempfile::tempdir().unwrap();
        let minted = Identities::mint(&policy, directory.path()).unwrap();
        let id = |name: &str| minted.callers[name].spiffe_id.clone();
        assert_eq!(id("exact"), "spiffe://acme.internal/ns/a/sa/exact");
        assert_eq!(id("pattern"), "spiffe://acme.internal/ns/a/sa/work-playground1");
        assert_eq!(id("stranger"), "spiffe://acme.internal/x");
        assert_eq!(id("stranger-caller"), "spiffe://acme.internal/deeper/ns/playground/sa/stranger");
        assert_eq!(id("foreign"), id("exact"), "it claims the first agent's ID");
        assert_eq!(minted.callers.len(), 7);
        let key = &minted.callers["exact"].key;
        assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let curl = fs::read_to_string(directory.path().join("exact.curl")).unwrap();
        assert!(curl.contains(&format!("key = \"{}\"", key.display())), "{curl}");
    }
}
