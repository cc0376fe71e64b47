"""A mesh on one machine: istiod, and pods with the real agent and the real Envoy.

Every pod is a network namespace on a bridge; the agent's own tool redirects its traffic into Envoy as in a cluster, and it
gets its certificate from istiod for a token of the API server's. Nothing leaves this machine.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cluster import HUB, Cluster
from machine import SECONDS, Machine, Process, run, wait_for

TRUST_DOMAIN = "acme.internal"
SYSTEM = "istio-system"
PROXY_UID = 1337
"""The user of agent and Envoy: what it sends is not redirected."""
APP_UID = 65534
REGISTRY_PORT = 5000


@dataclass
class Tools:
    """The programs, by their paths."""

    envoy: Path
    istiod: Path
    agent: Path
    etcd: Path
    apiserver: Path
    helm: Path

    @property
    def bootstrap(self) -> Path:
        """The template of Envoy's bootstrap, which belongs to the agent."""
        return self.agent.parent / "envoy_bootstrap.json"


@dataclass
class Pod:
    """A workload: where it is on the network, and who it is."""

    name: str
    namespace: str
    account: str
    address: str
    netns: str
    folder: Path
    labels: dict
    proxy: Process | None = None
    app: Process | None = None

    def command(self, *words: object, uid: int = APP_UID) -> list[str]:
        """A command that runs in the pod."""
        user = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        return ["ip", "netns", "exec", self.netns, *user, *map(str, words)]

    @property
    def certificates(self) -> Path:
        """Where the agent writes what it got from istiod: cert-chain.pem, key.pem and root-cert.pem."""
        return self.folder / "certificates"

    def envoy(self, path: str) -> str:
        """What the pod's Envoy says on its admin interface."""
        url = f"http://127.0.0.1:15000{path}"
        return run(*self.command("curl", "-sS", "-m", "10", url, uid=PROXY_UID)).stdout

    def http_filters(self, listener: str, chain: Callable[[dict], bool]) -> list[str]:
        """The names of the HTTP filters of the first such chain of a listener, in their order."""
        dump = json.loads(self.envoy("/config_dump?resource=dynamic_listeners"))
        listeners = [one["active_state"]["listener"] for one in dump.get("configs", []) if "active_state" in one]
        for one in (one for one in listeners if one["name"] == listener):
            for found in filter(chain, one["filter_chains"]):
                for network in found["filters"]:
                    if names := [one["name"] for one in network["typed_config"].get("http_filters", [])]:
                        return names
        return []

    def is_ready(self) -> bool:
        """What the readiness probe of its sidecar says."""
        self.proxy.check()
        url = "http://127.0.0.1:15021/healthz/ready"
        return run(*self.command("curl", "-sf", "-m", "2", url, uid=PROXY_UID), check=False).returncode == 0


class Mesh:
    """The API server, istiod, and pods around them."""

    def __init__(self, tools: Tools, folder: Path) -> None:
        self.tools, self.folder = tools, folder
        self.machine = Machine(folder)
        self.pods: list[Pod] = []

    def __enter__(self) -> Mesh:
        try:
            self.hub = self.machine.netns("hub")
            for line in ("link add br0 type bridge", f"addr add {HUB}/24 dev br0", "link set br0 up"):
                run("ip", "-n", self.hub, *line.split())
            self.cluster = Cluster(self.machine, self.hub, self.tools.etcd, self.tools.apiserver)
        except BaseException:
            self.machine.stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.machine.stack.close()

    def start_istiod(self) -> None:
        """istiod as its chart installs it, but for Istio's own Envoy filters, which upstream's Envoy does not have."""
        self.cluster.create(namespace(SYSTEM))
        home = self.folder / "istiod"
        mesh = home / "etc/istio/config/mesh"
        mesh.parent.mkdir(parents=True)
        mesh.write_text(json.dumps({
            "trustDomain": TRUST_DOMAIN, "rootNamespace": SYSTEM,
            "defaultConfig": {"discoveryAddress": f"{HUB}:15012"},
        }))
        environment = {
            "POD_NAMESPACE": SYSTEM, "POD_NAME": "istiod", "CLUSTER_ID": "Kubernetes", "JWT_POLICY": "third-party-jwt",
            "PILOT_ENABLE_ALPN_FILTER": "false", "PILOT_ENABLE_METADATA_EXCHANGE": "false",
            # Waypoints; their pods and the status of their Gateways are written here.
            "PILOT_ENABLE_AMBIENT": "true", "PILOT_ENABLE_GATEWAY_API_DEPLOYMENT_CONTROLLER": "false",
            "PILOT_ENABLE_GATEWAY_API_STATUS": "false",
            "INJECTION_WEBHOOK_CONFIG_NAME": "", "VALIDATION_WEBHOOK_CONFIG_NAME": "",
        }
        command = [self.tools.istiod, "discovery", f"--kubeconfig={self.cluster.kubeconfig}", "--shutdownDuration=1s"]
        self.istiod = self.machine.start("istiod", [*self.cluster.inside(), *command], environment, home)
        ready = [*self.cluster.inside(), "curl", "-sf", "-m", "2", f"http://{HUB}:8080/ready"]

        def is_ready() -> bool:
            self.istiod.check()
            return run(*ready, check=False).returncode == 0

        wait_for("istiod is ready", is_ready)
        secret = self.cluster.call("GET", f"/api/v1/namespaces/{SYSTEM}/secrets/istio-ca-secret")
        self.root = base64.b64decode(secret["data"]["ca-cert.pem"]).decode()
        self._validate()

    def _validate(self) -> None:
        """Lets istiod look at every resource of Istio's before the API server takes it, as in a cluster."""
        self.cluster.create({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "istio-validator"},
            "webhooks": [{
                "name": "validation.istio.io", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "failurePolicy": "Fail",
                "clientConfig": {"url": f"https://{HUB}:15017/validate", "caBundle": base64.b64encode(self.root.encode()).decode()},
                "rules": [{
                    "operations": ["CREATE", "UPDATE"], "apiVersions": ["*"], "resources": ["*"],
                    "apiGroups": [f"{group}.istio.io" for group in ("security", "networking", "telemetry", "extensions")],
                }],
            }],
        })

    def pod(self, name: str, ns: str, account: str, labels: dict, spec: dict | None = None) -> Pod:
        """Adds a pod, on the network and in the API server. Its sidecar is started by `inject`, its waypoint by `start_proxy`."""
        spec = spec or {"serviceAccountName": account, "containers": [{"name": "app", "image": "app"}]}
        number = len(self.pods) + 2
        netns, address = self.machine.netns(str(number)), f"10.77.0.{number}"
        for line in (
            f"-n {self.hub} link add veth{number} type veth peer name eth0 netns {netns}",
            f"-n {self.hub} link set veth{number} master br0 up",
            f"-n {netns} addr add {address}/24 dev eth0",
            f"-n {netns} link set eth0 up",
            f"-n {netns} route add default via {HUB}",
        ):
            run("ip", *line.split())
        pod = Pod(name, ns, account, address, netns, self.folder / name, labels)
        pod.folder.mkdir()
        self.pods.append(pod)
        known = self.cluster.call("GET", f"/api/v1/namespaces/{ns}/serviceaccounts")["items"]
        if account not in [one["metadata"]["name"] for one in known]:
            about = {"name": account, "namespace": ns}
            self.cluster.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": about})
        self.cluster.pod(ns, name, address, labels, spec)
        return pod

    def inject(self, pod: Pod, *, excluded: tuple[int, ...] = ()) -> None:
        """What the injector does to a pod: a label, traffic into Envoy but for excluded ports, a token, an agent that runs Envoy."""
        label = {"metadata": {"labels": {"security.istio.io/tlsMode": "istio"}}}
        self.cluster.call("PATCH", f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}", label)
        left_out = ",".join(map(str, (15090, 15021, 15020, *excluded)))
        redirect = [self.tools.agent, "istio-iptables", "-p", "15001", "-z", "15006", "-u", PROXY_UID, "-m", "REDIRECT"]
        redirect += ["-i", "*", "-x", "", "-b", "*", "-d", left_out]
        run("ip", "netns", "exec", pod.netns, *redirect, cwd=pod.folder)
        self.start_proxy(pod)

    def start_proxy(self, pod: Pod, kind: str = "sidecar", more: dict | None = None) -> None:
        """The container of a sidecar or a waypoint, with what is mounted into it."""
        files = {
            "var/run/secrets/tokens/istio-token": self.cluster.token_of(pod.namespace, pod.account),
            "var/run/secrets/istio/root-cert.pem": self.root,
            "etc/istio/pod/labels": "".join(f'{key}="{value}"\n' for key, value in pod.labels.items()),
        }
        for path, text in files.items():
            (pod.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (pod.folder / path).write_text(text)
        (pod.folder / "etc/istio/proxy").mkdir(parents=True)
        # Waypoints have a part of Istio's build of Envoy here, for telemetry.
        bootstrap = pod.folder / "bootstrap.json"
        bootstrap.write_text(self.tools.bootstrap.read_text().replace("if .metadata_discovery", "if false"))
        pod.certificates.mkdir()
        run("chown", "-R", f"{PROXY_UID}:{PROXY_UID}", pod.folder)
        proxy = {
            "discoveryAddress": f"{HUB}:15012", "binaryPath": str(self.tools.envoy), "concurrency": 2,
            "proxyBootstrapTemplatePath": str(bootstrap), "statusPort": 15020,
        }
        environment = {
            "POD_NAME": pod.name, "POD_NAMESPACE": pod.namespace, "SERVICE_ACCOUNT": pod.account,
            "INSTANCE_IP": pod.address, "HOST_IP": pod.address, "TRUST_DOMAIN": TRUST_DOMAIN,
            "PROXY_CONFIG": json.dumps(proxy), "CA_ADDR": f"{HUB}:15012", "JWT_POLICY": "third-party-jwt",
            "ISTIOD_SAN": f"istiod.{SYSTEM}.svc", "ISTIO_META_CLUSTER_ID": "Kubernetes",
            "ISTIO_META_INTERCEPTION_MODE": "REDIRECT", "ISTIO_META_WORKLOAD_NAME": pod.name,
            "WASM_INSECURE_REGISTRIES": f"{HUB}:{REGISTRY_PORT}", "OUTPUT_CERTS": str(pod.certificates), **(more or {}),
        }
        words = ["proxy", kind, "--proxyLogLevel=warning", "--proxyComponentLogLevel=wasm:info,misc:error"]
        # The agent keeps modules in /var/lib/istio/data: a folder in memory, which nobody else sees.
        user = f"setpriv --reuid={PROXY_UID} --regid={PROXY_UID} --clear-groups"
        data = "/var/lib/istio/data"
        script = f"mount -t tmpfs tmpfs /var/lib && mkdir -p {data} && chown {PROXY_UID} {data} && exec {user} \"$@\""
        command = ["ip", "netns", "exec", pod.netns, "sh", "-c", script, "sh", self.tools.agent, *words]
        pod.proxy = self.machine.start(f"{pod.name}-proxy", command, environment, pod.folder)

    def wait_ready(self, *pods: Pod, seconds: float = SECONDS) -> None:
        for pod in pods:
            wait_for(f"the sidecar of {pod.name} is ready", pod.is_ready, seconds)


def namespace(name: str) -> dict:
    """A namespace with injection, as users label theirs."""
    labels = {"istio-injection": "enabled"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
