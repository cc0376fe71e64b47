"""A waypoint (ambient mode): istiod's configuration of one, and the gate in it.

Where the ambient mesh has ztunnel, an Envoy here puts calls into HBONE tunnels, with the caller's certificate of the mesh. Upstream's Envoy lacks
two parts of Istio's: what exchanges metadata for telemetry, which an EnvoyFilter and `Mesh.start_proxy` take out, and the type that Istio
keeps principals in from 1.29.2 on. The waypoint says that it is 1.29.1, so istiod has it keep them as plain text, under the same name.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import yaml

from checks import Checks, Release, Target
from mesh import PROXY_UID, Pod, namespace

HOST = "tool-api.ambient.svc.cluster.local"
RESEARCH = "spiffe://acme.internal/ns/agents/sa/research-agent"
GATEWAY = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "waypoint"}
TUNNEL = 15080
LABELS = {"gateway.networking.k8s.io/gateway-name": "waypoint", "gateway.istio.io/managed": "istio.io-mesh-controller"}
SECRET = "waypoint-" + "0123456789abcdef" * 3


class Waypoint(Checks):
    """A service of its own namespace, behind a waypoint with the gate."""

    def waypoint(self, companion: str) -> None:
        self.begin("a waypoint, its callers in HBONE tunnels")
        proxy, target = self.governed_service()
        self.seen()
        before = self.call(self.stranger, "/admin", to=target)
        self.check("before: anybody may do anything", before.status == 200, before.status)
        release = self.prepared("sallyport", "ambient", {
            "installMode": "plain", "targetRefs": [GATEWAY], **self.compiled(self.policy_for(HOST)),
        }, interlock={"secret": SECRET})
        self.install(release)
        judged = lambda: self.tool(self.research, "drop_table", to=target).reason == "scope.tool"  # noqa: E731
        self.check("a forbidden tool is refused", self.until("judged", judged), f"after {self.took:.1f} s")
        names = proxy.http_filters("main_internal", lambda chain: "|http|" in chain.get("name", ""))
        gate = next((at for at, name in enumerate(names) if "ambient.sallyport" in name), len(names))
        behind = any(name.endswith("rbac") for name in names[gate:])
        self.check("its place is before Istio's authorization", behind, " > ".join(names))
        self.tunnelled(target)
        self.follows(release, proxy, companion, target)
        path = "/apis/extensions.istio.io/v1alpha1/namespaces/ambient/trafficextensions/sallyport"
        self.mesh.cluster.call("DELETE", path)
        closed = lambda: self.call(self.research, "/docs/1", to=target).reason == "RBAC"  # noqa: E731
        self.check("deleted: the interlock refuses everything", self.until("closed", closed), f"after {self.took:.1f} s")
        self.uninstall(release)

    def tunnelled(self, target: Target) -> None:
        """What the gate makes of calls whose callers the outer connection knows."""
        self.seen()
        allowed = self.tool(self.research, "search_docs", to=target)
        seen = self.seen()
        self.check("a permitted tool call passes", allowed.status == 200 and "found nothing" in allowed.body, allowed.status)
        headers = dict(map(tuple, seen[-1]["headers"])) if seen else {}
        identity = headers.get("x-workload-spiffe-id")
        self.check("the server learns who called", identity == RESEARCH, identity)
        stranger = self.call(self.stranger, "/docs/1", to=target)
        self.check("a workload without a mission is refused", stranger.reason == "identity.unmapped", stranger.reason)
        admin = self.call(self.research, "/admin", to=target)
        self.check("a path outside of the mission is refused", admin.reason == "scope.path", f"{admin.status} {admin.reason}")
        forged = self.call(
            self.stranger, "/docs/1", "-H", f"x-workload-spiffe-id: {RESEARCH}", "-H", f"x-sallyport-interlock: {SECRET}", to=target,
        )
        self.check("a forged identity and a known secret open nothing", forged.reason == "identity.unmapped", forged.reason)
        self.check("nothing of these reached the server", not self.seen())

    def follows(self, release: Release, proxy: Pod, companion: str, target: Target) -> None:
        """Policy from the companion of another namespace, whose service the waypoint does not serve."""
        names = [*self.companion_values[-1:], 'companion.clientNamespaces=["ambient"]']
        self.apply(*self.companion_values[:-1], *names)
        self.check("a waypoint knows nothing of services that it does not serve", f"||{companion}::" not in proxy.envoy("/clusters"))
        # The companion's policy knows the service only by the name that it has there.
        known = lambda: self.call(self.research, "/docs/1", to=target).reason == "scope.host"  # noqa: E731
        self.install(release, *self.companion_values[:-1], f'gate.companion.host="{companion}"')
        self.check("policy from a companion elsewhere is enforced", self.until("followed", known), f"after {self.took:.1f} s")
        self.install(release)

    def governed_service(self) -> tuple[Pod, Target]:
        """A service without a sidecar, the waypoint that it uses, and tunnels to that for two callers."""
        mesh, cluster = self.mesh, self.mesh.cluster
        ambient = namespace("ambient")
        ambient["metadata"]["labels"] = {"istio.io/dataplane-mode": "ambient"}
        cluster.create(ambient, without_metadata_exchange())
        server = mesh.pod("docs", "ambient", "docs", {"app": "docs"})
        app = server.command(sys.executable, "-B", Path(__file__).with_name("app.py"), 8080, self.seen_file, uid=0)
        server.app = mesh.machine.start("app-docs", app)
        proxy = mesh.pod("waypoint", "ambient", "waypoint", LABELS)
        cluster.service("ambient", "waypoint", 15008, 15008, {"waypoint": proxy.address}, LABELS, LABELS)
        cluster.create({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
            "metadata": {"name": "waypoint", "namespace": "ambient", "labels": {"istio.io/waypoint-for": "service"}},
            "spec": {"gatewayClassName": "istio-waypoint", "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}]},
        })
        address = {"type": "Hostname", "value": "waypoint.ambient.svc.cluster.local"}
        path = "/apis/gateway.networking.k8s.io/v1/namespaces/ambient/gateways/waypoint/status"
        cluster.call("PATCH", path, {"status": {"addresses": [address]}})
        uses = {"istio.io/use-waypoint": "waypoint"}
        address = cluster.service("ambient", "tool-api", 80, 8080, {"docs": server.address}, server.labels, uses)
        mesh.start_proxy(proxy, "waypoint", {"ISTIO_META_ISTIO_VERSION": "1.29.1"})
        mesh.wait_ready(proxy)
        for caller in (self.research, self.stranger):
            self.tunnel(caller, proxy, f"{address}:80")
        target = Target(HOST, "127.0.0.1", TUNNEL)
        served = lambda: self.call(self.research, "/", to=target).status == 200  # noqa: E731
        self.check("istiod's configuration of a waypoint is taken, and traffic passes", self.until("served", served))
        return proxy, target

    def tunnel(self, caller: Pod, proxy: Pod, authority: str) -> None:
        """Starts what stands for ztunnel beside a caller."""
        files = {name: {"filename": str(caller.certificates / f"{name}.pem")} for name in ("cert-chain", "key", "root-cert")}
        path = caller.folder / "tunnel.json"
        path.write_text(json.dumps(tunnel_of(proxy.address, authority, files)))
        command = [self.mesh.tools.envoy, "-c", path, "--disable-hot-restart", "--concurrency", 1, "--log-level", "warning"]
        self.mesh.machine.start(f"{caller.name}-tunnel", caller.command(*command, uid=PROXY_UID))

    def policy_for(self, host: str) -> Path:
        """The policy, for the service under another name."""
        folder = self.folder / "policy-ambient"
        shutil.copytree(self.policy, folder)
        for path in folder.glob("*.yaml"):
            documents = [document for document in yaml.safe_load_all(path.read_text()) if document]
            for document in documents:
                if document["kind"] == "Service":
                    document["spec"]["hosts"] = [host]
            path.write_text(yaml.safe_dump_all(documents))
        return folder


def without_metadata_exchange() -> dict:
    """Takes out the two filters of a waypoint that only Istio's build of Envoy has."""
    manager = "envoy.filters.network.http_connection_manager"
    patches = [
        {
            "applyTo": "HTTP_FILTER",
            "match": {
                "context": "SIDECAR_INBOUND",
                "listener": {"filterChain": {"filter": {"name": manager, "subFilter": {"name": f"waypoint_{side}_peer_metadata"}}}},
            },
            "patch": {"operation": "REMOVE"},
        }
        for side in ("downstream", "upstream")
    ]
    return {
        "apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
        "metadata": {"name": "without-metadata-exchange", "namespace": "ambient"},
        "spec": {"targetRefs": [GATEWAY], "configPatches": patches},
    }


def tunnel_of(waypoint: str, authority: str, files: dict) -> dict:
    """Envoy's bootstrap: every connection goes to the waypoint as a CONNECT over HTTP/2 and mTLS."""
    def address(host: str, port: int) -> dict:
        return {"socket_address": {"address": host, "port_value": port}}

    proxy = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "tunnel",
        "cluster": "waypoint", "tunneling_config": {"hostname": authority},
    }
    tls = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": ["h2"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
            "tls_certificates": [{"certificate_chain": files["cert-chain"], "private_key": files["key"]}],
            "validation_context": {"trusted_ca": files["root-cert"]},
        },
    }
    http2 = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    return {"static_resources": {
        "listeners": [{
            "name": "tunnel", "address": address("127.0.0.1", TUNNEL),
            "filter_chains": [{"filters": [{"name": "tcp", "typed_config": proxy}]}],
        }],
        "clusters": [{
            "name": "waypoint", "type": "STATIC",
            "load_assignment": {
                "cluster_name": "waypoint",
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(waypoint, 15008)}}]}],
            },
            "transport_socket": {"name": "tls", "typed_config": tls},
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
        }],
    }}
