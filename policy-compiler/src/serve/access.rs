//! Who may fetch which bundles, where clients show certificates: everybody those for its own namespace, and more where it is granted.

use std::sync::Arc;

use sallyport_engine::identity::{SpiffeId, SpiffePattern};

use crate::Audience;

/// What stands for every bundle, the whole policy among them.
const EVERYTHING: &str = "*";

/// Bundles that some may fetch besides those for their own namespace.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Grant {
    who: SpiffePattern,
    what: Reach,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Reach {
    Everything,
    /// Of a workload, or of a namespace and all workloads in it.
    Within(Audience),
}

/// Who is at the other end of a connection, by its certificate.
#[derive(Clone, Debug, Default)]
pub(super) struct Peer {
    /// Its one SPIFFE ID; `None` without TLS, without a certificate, and where that names none or several.
    pub(super) id: Option<Arc<SpiffeId>>,
    /// Whether it is of the companion's own trust domain, or the companion's certificate names none.
    pub(super) is_ours: bool,
}

/// Says who may fetch what.
#[derive(Debug, Default)]
pub(super) struct Access {
    /// Whether every client shows a certificate. Without, nobody is known and nothing is kept from anybody.
    certified: bool,
    grants: Vec<Grant>,
}

impl Grant {
    /// Reads `PATTERN=AUDIENCE`: `spiffe://example.org/ns/istio-system/sa/*=tools`, or `…=*` for every bundle.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wanted = "write a pattern of SPIFFE IDs, `=`, and an audience or `*`";
        let (who, what) = text.split_once('=').ok_or(wanted)?;
        let who = SpiffePattern::parse(who).map_err(|why| why.to_string())?;
        let what = match what {
            EVERYTHING => Reach::Everything,
            audience => Reach::Within(Audience::parse(audience).map_err(|why| why.to_string())?),
        };
        Ok(Self { who, what })
    }

    fn gives(&self, id: &SpiffeId, audience: Option<&Audience>) -> bool {
        let reaches = match (&self.what, audience) {
            (Reach::Everything, _) => true,
            (Reach::Within(_), None) => false,
            (Reach::Within(granted), Some(audience)) => granted.contains(audience),
        };
        reaches && self.who.matches(id)
    }
}

impl Peer {
    /// Its SPIFFE ID as text.
    pub(super) fn name(&self) -> Option<&str> {
        self.id.as_deref().map(SpiffeId::as_str)
    }
}

impl Access {
    pub(super) fn new(certified: bool, grants: Vec<Grant>) -> Self {
        Self { certified, grants }
    }

    /// Whether the peer may fetch the bundle for an audience, or the whole policy.
    pub(super) fn allows(&self, peer: &Peer, audience: Option<&Audience>) -> bool {
        if !self.certified {
            return true;
        }
        let Some(id) = peer.id.as_deref() else { return false };
        let namespace = id.kubernetes().map(|(namespace, _)| namespace).filter(|_| peer.is_ours);
        let own = audience.is_some_and(|audience| namespace == Some(audience.namespace()));
        own || self.grants.iter().any(|grant| grant.gives(id, audience))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(id: &str, is_ours: bool) -> Peer {
        Peer { id: Some(Arc::new(SpiffeId::parse(id.as_bytes()).unwrap())), is_ours }
    }

    fn allows(access: &Access, peer: &Peer, audience: &str) -> bool {
        access.allows(peer, Audience::parse(audience).ok().as_ref())
    }

    #[test]
    fn everybody_has_its_own_namespace() {
        let access = Access::new(true, Vec::new());
        let docs = peer("spiffe://acme.internal/ns/tools/sa/docs", true);
        assert!(allows(&access, &docs, "tools") && allows(&access, &docs, "tools/docs"));
        for audience in ["", "finance", "finance/docs", "tool", "tools-2", "docs"] {
            assert!(!allows(&access, &docs, audience), "{audience}");
        }
        let others = [
            peer("spiffe://partner.example/ns/tools/sa/docs", false),
            peer("spiffe://acme.internal/ns/tools", true),
            peer("spiffe://acme.internal/ns/tools/sa/docs/x", true),
            peer("spiffe://acme.internal/x/ns/tools/sa/docs", true),
            Peer::default(),
        ];
        for other in others {
            assert!(!allows(&access, &other, "tools/docs"), "{other:?}");
        }
        assert!(allows(&Access::default(), &Peer::default(), ""), "nobody is known");
    }

    #[test]
    fn grants_give_more() {
        let grant = |text| Grant::parse(text).unwrap();
        let access = Access::new(
            true,
            vec![
                grant("spiffe://acme.internal/ns/istio-system/sa/*=*"),
                grant("spiffe://acme.internal/ns/edge/sa/gateway=tools"),
                grant("spiffe://partner.example/ns/tools/sa/docs=finance/ledger"),
            ],
        );
        let gateway = peer("spiffe://acme.internal/ns/edge/sa/gateway", true);
        for (audience, allowed) in
            [("edge", true), ("tools", true), ("tools/x", true), ("", false), ("finance", false)]
        {
            assert_eq!(allows(&access, &gateway, audience), allowed, "{audience}");
        }
        let mesh = peer("spiffe://acme.internal/ns/istio-system/sa/ingress", true);
        assert!(allows(&access, &mesh, "") && allows(&access, &mesh, "finance/ledger"));
        let partner = peer("spiffe://partner.example/ns/tools/sa/docs", false);
        assert!(allows(&access, &partner, "finance/ledger"));
        assert!(!allows(&access, &partner, "finance") && !allows(&access, &partner, "tools"));
        for bad in ["", "*=*", "spiffe://a/b", "spiffe://a/b=", "spiffe://a/b=A", "spiffe://a/**=x", "x=y"] {
            assert!(Grant::parse(bad).is_err(), "{bad}");
        }
    }
}
