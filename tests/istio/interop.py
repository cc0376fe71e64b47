#!/usr/bin/env python3
"""The gate under the real control plane, installed with the real Helm: does it do what docs/install.md promises?

Everything is real but the nodes: etcd and the API server, istiod (validation webhook and CA included), pilot-agent, Envoy, a
registry, the chart. Pods are network namespaces. Prints a line for each check, and exits with 0 only if all of them hold.
Run by `make interop`, which names the tools in the environment. Needs root.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import oci
from checks import HOST, Release, Reply, Target
from cluster import HUB
from machine import MeshError, run
from mesh import REGISTRY_PORT, Mesh, Tools, namespace
from outgoing import Outgoing
from proving import Proving
from waypoint import Waypoint

HERE = Path(__file__).resolve().parent
REPO = HERE.parent.parent
SECRET = "interop-" + "0123456789abcdef" * 3
REGISTRY = f"{HUB}:{REGISTRY_PORT}"
IMAGE = f"{REGISTRY}/sallyport:test"
LIMIT = 1_048_576
OUTSIDE = 9090
"""A port of the tool server that its sidecar does not see."""
GATE = """
apiVersion: sallyport.dev/v1
kind: DlpProfile
metadata: {name: strict}
spec:
  detectors: {github-token: block}
---
apiVersion: sallyport.dev/v1
kind: Gate
metadata: {name: gate}
spec: {dlp: strict}
"""


class Interop(Proving, Outgoing, Waypoint):
    """What docs/install.md promises, part by part."""

    def set_up(self) -> None:
        self.begin("set-up")
        mesh = self.mesh
        count = mesh.cluster.define(Path(os.environ["CRDS"]) / "istio-1.31")
        count += mesh.cluster.define(Path(os.environ["CRDS"]) / "others", "gateway.networking.k8s.io_*.yaml")
        mesh.start_istiod()
        # A mistake that the schema lets pass, and istiod does not.
        rule = {"action": "DENY", "rules": [{"when": [{"key": "request.colour", "values": ["red"]}]}]}
        bad = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "bad"}, "spec": rule}
        self.check(f"istiod's webhook looks at what the API server takes, {count} kinds", not self.takes(bad))
        for name in ("tools", "agents"):
            mesh.cluster.create(namespace(name))
        self.server = mesh.pod("tool-api", "tools", "tool-api", {"app": "tool-api"})
        self.research = mesh.pod("research", "agents", "research-agent", {"app": "research"})
        self.stranger = mesh.pod("stranger", "agents", "stranger", {"app": "stranger"})
        self.outsider = mesh.pod("outsider", "agents", "outsider", {"app": "outsider"})
        endpoints = {self.server.name: self.server.address}
        address = mesh.cluster.service("tools", "tool-api", 80, 8080, endpoints, self.server.labels)
        self.target = Target(HOST, address)
        mesh.inject(self.server, excluded=(OUTSIDE,))
        for pod in (self.research, self.stranger):
            mesh.inject(pod)
        self.seen_file.touch()
        for port in (8080, OUTSIDE):
            app = self.server.command(sys.executable, "-B", HERE / "app.py", port, self.seen_file, uid=0)
            self.server.app = mesh.machine.start(f"app-{port}", app)
        mesh.wait_ready(self.server, self.research, self.stranger)
        identity = "spiffe://acme.internal/ns/agents/sa/research-agent"
        self.check("three sidecars ready, certificates by istiod", identity in self.research.envoy("/certs"))
        oci.serve(mesh.machine, mesh.cluster.inside(), REGISTRY)
        image = self.folder / "image"
        self.digest = oci.layout(self.module, image)
        oci.push(mesh.cluster.inside(), image, IMAGE)
        self.write_values()
        before = self.call(self.stranger, "/admin")
        self.check("before: anybody may do anything", before.status == 200, before.status)

    def takes(self, document: dict) -> bool:
        """Whether the API server takes a resource."""
        try:
            self.mesh.cluster.create(document)
        except MeshError as error:
            return "admission webhook" not in str(error)
        return True

    def write_values(self) -> None:
        """What the chart is installed with, unless a part says otherwise."""
        self.policy = self.folder / "policy"
        shutil.copytree(REPO / "examples/tool-api/policy", self.policy)
        (self.policy / "gate.yaml").write_text(GATE)
        gate = {"selector": self.server.labels, "ports": [8080], "bodyLimit": LIMIT, **self.compiled(self.policy)}
        self.release = self.prepared("sallyport", "tools", gate, interlock={"secret": SECRET}, accessLog={"via": "stdout"})

    def compiled(self, policy: Path) -> dict:
        """The gate's part of the values, from policy."""
        return json.loads(run(self.compiler, "compile", "--policy", policy, "--plugin-config").stdout)

    def prepared(self, name: str, ns: str, gate: dict, **more: dict) -> Release:
        """A release of the chart with the module from the registry, not installed yet."""
        module = {"url": f"oci://{IMAGE}", "sha256": self.digest}
        path = self.folder / f"values-{ns}.json"
        path.write_text(json.dumps({"istioVersion": "1.31", "gate": {"module": module, **gate}, **more}))
        return Release(name, ns, path)

    def wait_for_gate(self) -> None:
        """Until a refusal is the gate's own. Without it there is no point in the rest."""
        answers = lambda: self.tool(self.research, "drop_table").reason == "scope.tool"  # noqa: E731
        self.check("the gate answers", self.until("the gate", answers), f"after {self.took:.1f} s")
        if not self.rows[-1][2]:
            raise MeshError("the gate does not answer:\n" + "\n".join(self.server.proxy.text().splitlines()[-5:]))

    def judged(self) -> None:
        """What every way of installing promises."""
        refused = lambda: self.tool(self.stranger, "search_docs").reason == "identity.unmapped"  # noqa: E731
        self.check("a workload without a mission is refused", self.until("drained", refused), f"after {self.took:.1f} s")
        self.seen()
        allowed = self.tool(self.research, "search_docs")
        seen = self.seen()
        self.check("a permitted tool call passes", allowed.status == 200 and "found nothing" in allowed.body, allowed.status)
        headers = dict(map(tuple, seen[-1]["headers"])) if seen else {}
        identity = headers.get("x-workload-spiffe-id")
        self.check("the server learns who called", identity == "spiffe://acme.internal/ns/agents/sa/research-agent", identity)
        get = self.call(self.research, "/docs/1")
        self.check("a permitted GET passes", get.status == 200, get.status)
        self.seen()
        admin = self.call(self.research, "/admin")
        self.check("a path outside of the mission is refused", (admin.status, admin.reason) == (403, "scope.path"), admin.reason)
        forged = self.call(
            self.stranger, "/docs/1", "-H", "x-workload-spiffe-id: spiffe://acme.internal/ns/agents/sa/research-agent",
            "-H", f"x-sallyport-interlock: {SECRET}",
        )
        self.check("a forged identity and a known secret open nothing", forged.reason == "identity.unmapped", forged.reason)
        self.check("nothing of these reached the server", not self.seen())
        plain = self.call(self.outsider, "/docs/1")
        self.check("plain text is not served", plain.status == 0 and not self.seen(), plain.status)

    def withheld(self, mode: str) -> None:
        """What reaches the server of a request that is denied by its body, and what becomes of a bad answer."""
        self.seen()
        denied = self.tool(self.research, "drop_table")
        seen = self.seen()
        self.check("a forbidden tool is refused", denied.reason == "scope.tool", denied.status)
        if mode == "plain":
            parts = [one["part"] for one in seen]
            self.check("its headers reach the server, its body does not", parts in ([], ["head"]), parts)
        else:
            self.check("nothing of it reaches the server", not seen, seen)
        leak = self.tool(self.research, "search_docs", "aws")
        taken = leak.status == 200 and "it is" in leak.body and "AKIA" not in leak.body
        self.check("a credential in an answer is taken out", taken, leak.status)
        leak = self.tool(self.research, "search_docs", "github")
        status = 403 if mode == "headers" else 200
        refused = (leak.status, leak.reason) == (status, "dlp.github-token")
        self.check(f"an answer that is refused has the status {status}", refused, f"{leak.status} {leak.reason}")
        seen = self.seen()
        headers = dict(map(tuple, seen[-1]["headers"])) if seen else {}
        secret = "x-sallyport-interlock" in headers
        self.check(f"the server {'sees' if mode == 'plain' else 'does not see'} the interlock", secret == (mode == "plain"))

    def limits(self) -> None:
        """Bodies at the limit: the same answer whatever the protocol."""
        for protocol in ("HTTP/1.1", "HTTP/2"):
            if protocol == "HTTP/2":
                self.mesh.cluster.create({
                    "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
                    "metadata": {"name": "upgrade", "namespace": "tools"},
                    "spec": {"host": HOST, "trafficPolicy": {"connectionPool": {"http": {"h2UpgradePolicy": "UPGRADE"}}}},
                })
                self.check("callers speak HTTP/2 to the sidecar", self.until("HTTP/2", self.speaks_http2))
            answers = []
            for size in (LIMIT - 1, LIMIT, LIMIT + 1, LIMIT + 100_000, 5 * LIMIT):
                self.seen()
                reply = self.sized(size)
                answers.append((reply.status, reply.reason, len([s for s in self.seen() if s["part"] == "whole"])))
            passes, gate = (200, "", 1), (413, "request.too_large", 0)
            right = answers[:3] == [passes, passes, gate] and all((a[0], a[2]) == (413, 0) for a in answers[3:])
            self.check(f"bodies over {protocol}: up to the limit, and none over it", right, answers if not right else "")

    def sized(self, size: int) -> Reply:
        """An MCP call whose body has this many bytes."""
        call = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "search_docs", "arguments": {"q": ""}}}
        filler = "word " * (size // 5 + 1)
        call["params"]["arguments"]["q"] = filler[: size - len(json.dumps(call))]
        return self.call(self.research, "/mcp", "-H", "accept: application/json, text/event-stream", body=json.dumps(call).encode())

    def speaks_http2(self) -> bool:
        self.call(self.research, "/docs/1")
        return self.logged()["protocol"] == "HTTP/2"

    def logged(self) -> dict:
        """The last line of the gate in the access log."""
        lines = [line for line in self.server.proxy.text().splitlines() if '"sallyport":{' in line]
        return json.loads(lines[-1]) if lines else {"protocol": "", "sallyport": {}}

    def telemetry(self) -> None:
        self.tool(self.research, "drop_table")
        in_time = self.until("the log is flushed", lambda: self.logged()["sallyport"].get("reason") == "scope.tool")
        self.check("the access log has the gate's record", in_time, self.logged()["sallyport"].get("operation"))
        metrics = run(*self.server.command("curl", "-s", "http://127.0.0.1:15020/stats/prometheus", uid=1337)).stdout
        counted = [line for line in metrics.splitlines() if "sallyport_requests_total" in line and "scope" in line]
        self.check("Prometheus gets the gate's counters from the sidecar", bool(counted), counted[:1])

    def taken_away(self, kind: str) -> None:
        """The plugin is deleted behind Helm's back: nothing passes, and all is well when it is back."""
        path = f"/apis/extensions.istio.io/v1alpha1/namespaces/tools/{kind.lower()}s/sallyport"
        document = self.mesh.cluster.call("GET", path)
        self.mesh.cluster.call("DELETE", path)
        gone = self.until("the interlock", lambda: self.call(self.research, "/docs/1").reason == "RBAC")
        self.check("deleted: the interlock refuses everything", gone, f"after {self.took:.1f} s")
        self.seen()
        forged = self.call(self.research, "/docs/1", "-H", "x-sallyport-interlock: guess")
        self.check("… and whoever guesses", forged.reason == "RBAC" and not self.seen(), forged.status)
        document["metadata"] = {k: document["metadata"][k] for k in ("name", "namespace", "labels", "annotations")}
        self.mesh.cluster.create(document)
        self.check("back again: permitted calls pass", self.until("it is back", self.passes), f"after {self.took:.1f} s")

    def passes(self) -> bool:
        return self.tool(self.research, "search_docs").status == 200

    def wrong_digest(self) -> None:
        wrong = ("0" if self.digest[0] != "0" else "1") + self.digest[1:]
        self.apply(f'gate.module.sha256="{wrong}"')
        closed = self.until("nothing passes", lambda: self.call(self.research, "/docs/1").status == 403)
        said = f"does not match: {wrong}. applying deny RBAC filter" in self.server.proxy.text()
        self.check("another digest than the image's: the agent refuses it, and nothing passes", closed and said)
        done = self.helm(self.release, "rollback", "--wait")
        self.check("helm rollback: permitted calls pass again", done.returncode == 0 and self.until("back", self.passes))

    def unreachable(self) -> None:
        """A pod that starts while the module cannot be fetched."""
        self.apply(f'gate.module.url="oci://{HUB}:1/sallyport:gone"')
        closed = self.until("nothing passes", lambda: self.call(self.research, "/docs/1").status == 403)
        self.check("a registry that does not answer: nothing passes", closed)
        self.helm(self.release, "rollback", "--wait")
        self.check("… and after a rollback permitted calls do", self.until("back", self.passes))

    def bad_url(self) -> None:
        """istiod leaves out a plugin whose URL it cannot parse, with a warning: what the interlock is for."""
        path = "/apis/extensions.istio.io/v1alpha1/namespaces/tools/trafficextensions/sallyport"
        try:
            self.mesh.cluster.call("PATCH", path, {"spec": {"wasm": {"url": "oci://regis try/%zz"}}})
        except MeshError as error:
            self.check("a URL that cannot be parsed is refused on the way in", "spec.wasm.url" in str(error))
            return
        gone = self.until("the interlock", lambda: self.call(self.research, "/docs/1").status == 403)
        self.check("a URL that cannot be parsed: nothing passes", gone)
        self.apply()

    def companion(self) -> None:
        """The companion as the chart installs it; its processes are started here, with the arguments of its Deployment."""
        self.begin("policy from a companion, two replicas in the mesh")
        key = self.folder / "policy.key"
        run(self.compiler, "keygen", "-o", key)
        self.companion_values = (
            'gate.bundle=""', f"gate.keys={json.dumps([key.with_suffix('.key.pub').read_text()])}", 'gate.audience="tools"',
            'companion={"enabled":true,"image":{"repository":"companion","tag":"test"},"policyVolume":{"emptyDir":{}},'
            '"signingKeySecrets":["policy-key"],"keyCopyImage":"busybox"}',
        )
        self.apply(*self.companion_values)
        absent = lambda: self.call(self.research, "/docs/1").reason == "policy.absent"  # noqa: E731
        self.check("before a companion answers, everything is refused", self.until("no policy", absent), f"after {self.took:.1f} s")
        time.sleep(1)
        cluster, name = self.mesh.cluster, "sallyport-companion"
        template = cluster.call("GET", f"/apis/apps/v1/namespaces/tools/deployments/{name}")["spec"]["template"]
        replicas = []
        for number in (1, 2):
            pod = self.mesh.pod(f"{name}-{number}", "tools", name, template["metadata"]["labels"], template["spec"])
            self.mesh.inject(pod)
            replicas.append(pod)
        cluster.endpoints("tools", name, {"bundles": 8443, "admin": 8444}, {pod.name: pod.address for pod in replicas})
        self.mesh.wait_ready(*replicas)
        for pod in replicas:
            places = {"/policy": self.policy, "/keys/0.key": key, "/state": pod.folder / "state"}
            words = [place(word, places) for word in template["spec"]["containers"][0]["args"]]
            places["/state"].mkdir()
            pod.app = self.mesh.machine.start(pod.name, pod.command(self.compiler, *words, uid=0))
        fetched = self.until("it passes", self.passes)
        self.check("both replicas started, and gates fetch through mTLS", fetched, f"after {self.took:.1f} s")
        refused = self.tool(self.research, "drop_table").reason
        self.check("what policy denies is refused", refused == "scope.tool", refused)
        self.publishes()
        address = cluster.call("GET", f"/api/v1/namespaces/tools/services/{name}")["spec"]["clusterIP"]
        host = f"{name}.tools.svc.cluster.local:8443"
        words = ["curl", "-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", "--resolve", f"{host}:{address}"]
        words.append(f"http://{host}/v1/bundle/tools")
        status = run(*self.research.command(*words), check=False).stdout
        self.check("other namespaces get no bundles", status == "403", status)
        self.prove_freshness(f"http://{address}:8443")
        self.waypoint(f"{name}.tools.svc.cluster.local")
        self.begin("without companions")
        for pod in replicas:
            pod.app.stop()
        self.check("companion down: permitted calls pass", self.passes())
        self.check("companion down: others are refused", self.tool(self.research, "drop_table").reason == "scope.tool")

    def publishes(self) -> None:
        """A change of policy, from the file to the verdict."""
        missions = self.policy / "missions.yaml"
        before = missions.read_text()
        missions.write_text(before.replace("search_docs, fetch_doc", "fetch_doc"))
        gone = self.until("the change is enforced", lambda: self.tool(self.research, "search_docs").reason == "scope.tool")
        self.check("a tool taken out of the mission is refused", gone, f"after {self.took:.1f} s")
        missions.write_text("kind: [")
        time.sleep(3)
        self.check("policy that does not compile changes nothing", self.tool(self.research, "fetch_doc").status == 200)
        missions.write_text(before)
        self.check("the tool put back: it passes", self.until("it passes", self.passes), f"after {self.took:.1f} s")

    def without_istiod(self) -> None:
        self.mesh.istiod.stop()
        self.check("istiod down: permitted calls pass", self.passes())
        self.check("istiod down: others are refused", self.tool(self.research, "drop_table").reason == "scope.tool")

    def everything(self) -> None:
        self.set_up()
        for mode in ("buffered", "plain", "headers"):
            self.begin(f"{'TrafficExtension' if mode != 'headers' else 'EnvoyFilter'}, mode {mode}, module from a registry")
            self.apply(f'gate.installMode="{mode}"')
            self.wait_for_gate()
            # The filters of the last mode must be gone first.
            time.sleep(1)
            names = [name for name in self.sidecar_filters() if "sallyport" in name or name.endswith(("rbac", "router"))]
            self.check("its place is before Istio's authorization", before_authorization(names), " > ".join(names))
            self.judged()
            self.withheld(mode)
            if mode == "buffered":
                self.telemetry()
                self.limits()
                self.taken_away("TrafficExtension")
                self.wrong_digest()
                self.unreachable()
                self.bad_url()
        self.begin("WasmPlugin, mode buffered, module from a registry")
        self.apply('gate.kind="WasmPlugin"')
        self.wait_for_gate()
        self.check("its resource is a WasmPlugin", "translated-wasmplugin" in " ".join(self.sidecar_filters()))
        self.judged()
        self.withheld("buffered")
        self.taken_away("WasmPlugin")
        self.apply('gate.kind=""')
        self.wait_for_gate()
        self.prove()
        self.outgoing()
        self.companion()
        self.begin("without the control plane")
        self.without_istiod()


def place(word: str, places: dict[str, Path]) -> str:
    """An argument of the companion's, with a pod's paths put where they are here."""
    option, _, value = word.partition("=")
    return f"{option}={places.get(value, value)}" if value else word


def before_authorization(names: list[str]) -> bool:
    gate = next((index for index, name in enumerate(names) if name.endswith("sallyport") or "/tools.sallyport~" in name), None)
    return gate is not None and any(name.endswith("rbac") for name in names[gate:])


def main() -> int:
    if os.geteuid() != 0:
        print("error: this needs root, for network namespaces", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    path = {name: Path(os.environ[name]) for name in (
        "ENVOY", "PILOT_DISCOVERY", "PILOT_AGENT", "ETCD", "KUBE_APISERVER", "HELM", "SALLYPORT_MODULE", "POLICY_COMPILER",
    )}
    tools = Tools(
        path["ENVOY"], path["PILOT_DISCOVERY"], path["PILOT_AGENT"], path["ETCD"], path["KUBE_APISERVER"], path["HELM"]
    )
    folder = Path(tempfile.mkdtemp(prefix="sallyport-interop-"))
    folder.chmod(0o755)
    # Where users other than root can run them.
    shutil.copy(tools.envoy, folder / "envoy")
    tools.envoy = folder / "envoy"
    (folder / "agent").mkdir()
    for file in (tools.agent, tools.bootstrap):
        shutil.copy(file, folder / "agent")
    tools.agent = folder / "agent" / tools.agent.name
    code = 2
    versions = [
        run(tools.envoy, "--version").stdout.split("version: ")[1].split("/")[1] + " (Envoy)",
        run(tools.apiserver, "--version").stdout.split()[1] + " (Kubernetes)",
        run(tools.helm, "version", "--short").stdout.strip() + " (Helm)",
    ]
    print(", ".join(versions), flush=True)
    try:
        with Mesh(tools, folder) as mesh:
            interop = Interop(mesh, path["SALLYPORT_MODULE"], path["POLICY_COMPILER"], folder)
            interop.everything()
            code = interop.summary()
    except (MeshError, subprocess.SubprocessError) as error:
        print(f"error: {error}", file=sys.stderr)
    finally:
        if code == 0 or not os.environ.get("KEEP"):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"logs are in {folder}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
