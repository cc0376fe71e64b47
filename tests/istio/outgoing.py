"""`gate.mode: CLIENT`: what leaves a workload is judged by its own sidecar."""

from __future__ import annotations

from checks import Checks, Target

RESEARCH = "spiffe://acme.internal/ns/agents/sa/research-agent"


class Outgoing(Checks):
    """The agent's sidecar has the gate, and the tool server's has none."""

    def outgoing(self) -> None:
        self.begin("mode CLIENT: the gate of an agent's outgoing calls")
        self.uninstall(self.release)
        free = lambda: self.call(self.research, "/admin").status == 200  # noqa: E731
        self.check("helm uninstall: the tool server is open again", self.until("open", free), f"after {self.took:.1f} s")
        gate = {"mode": "CLIENT", "workload": RESEARCH, "installMode": "plain", "selector": self.research.labels}
        release = self.prepared("outgoing", "agents", {**gate, **self.compiled(self.policy)}, interlock={"enabled": False})
        self.install(release)
        judged = lambda: self.tool(self.research, "drop_table").reason == "scope.tool"  # noqa: E731
        self.check("a forbidden tool is refused", self.until("judged", judged), f"after {self.took:.1f} s")
        self.leaves()
        path = "/apis/extensions.istio.io/v1alpha1/namespaces/agents/trafficextensions/outgoing"
        self.mesh.cluster.call("DELETE", path)
        self.check("deleted: there is no interlock, and all leaves", self.until("open", free), f"after {self.took:.1f} s")
        self.uninstall(release)

    def leaves(self) -> None:
        """What leaves the pod, and what does not."""
        self.seen()
        self.tool(self.research, "drop_table")
        parts = [one["part"] for one in self.seen()]
        self.check("its body does not leave the pod", parts in ([], ["head"]), parts)
        allowed = self.tool(self.research, "search_docs")
        seen = self.seen()
        self.check("a permitted tool call passes", allowed.status == 200 and "found nothing" in allowed.body, allowed.status)
        headers = dict(map(tuple, seen[-1]["headers"])) if seen else {}
        identity = headers.get("x-workload-spiffe-id")
        self.check("the server is told whose call it is", identity == RESEARCH, identity)
        admin = self.call(self.research, "/admin")
        self.check("a path outside of the mission is refused", admin.reason == "scope.path", f"{admin.status} {admin.reason}")
        other = Target("else.example", self.outsider.address)
        away = self.call(self.research, "/docs/1", to=other)
        self.check("a host that policy does not know is refused", away.reason == "scope.host", f"{away.status} {away.reason}")
        forged = self.call(self.research, "/admin", "-H", "x-workload-spiffe-id: spiffe://acme.internal/ns/agents/sa/deploy-agent")
        self.check("a forged identity opens nothing", forged.reason == "scope.path", forged.reason)
        self.check("nothing of these left the pod", not self.seen())
        leak = self.tool(self.research, "search_docs", "github")
        self.check("a credential in an answer is refused", leak.reason == "dlp.github-token", f"{leak.status} {leak.reason}")
        # Its connections may still have the filters of the gate that was uninstalled.
        unjudged = self.until("drained", lambda: self.call(self.stranger, "/admin").status == 200)
        self.check("pods that are not selected are not judged", unjudged, f"after {self.took:.1f} s")
