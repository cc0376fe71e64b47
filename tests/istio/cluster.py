"""A Kubernetes without nodes: etcd and the real API server, and what a test says to them.

There is no scheduler, no controller and no kubelet: the test writes pods, their status and their endpoints itself.
"""

from __future__ import annotations

import json
import secrets
import subprocess
from pathlib import Path

import yaml

from machine import Machine, MeshError, run, wait_for

HUB = "10.77.0.1"
"""Where the API server, istiod and the registry are."""


class Cluster:
    """The API server, in the network namespace `hub`."""

    def __init__(self, machine: Machine, hub: str, etcd: Path, apiserver: Path) -> None:
        self.machine, self.hub = machine, hub
        self.home = machine.folder / "kubernetes"
        self.home.mkdir()
        self.token = secrets.token_hex(16)
        self.etcd = machine.start("etcd", [*self.inside(), etcd, "--data-dir", self.home / "etcd", "--log-level=warn"])
        key = self.home / "accounts.pem"
        run("openssl", "genrsa", "-out", key, "2048")
        tokens = self.home / "tokens.csv"
        tokens.write_text(f"{self.token},admin,admin,system:masters\n")
        self.server = machine.start("kube-apiserver", [
            *self.inside(), apiserver, "--etcd-servers=http://127.0.0.1:2379", f"--cert-dir={self.home}/certificates",
            f"--bind-address={HUB}", f"--advertise-address={HUB}", "--secure-port=6443", "--authorization-mode=RBAC",
            f"--token-auth-file={tokens}", "--service-cluster-ip-range=10.96.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}", "--disable-admission-plugins=ServiceAccount",
        ])
        self.kubeconfig = self.home / "kubeconfig"
        self._write_kubeconfig()
        wait_for("the API server is ready", self._ready)

    def inside(self) -> list[str]:
        return ["ip", "netns", "exec", self.hub]

    def _ready(self) -> bool:
        self.etcd.check()
        self.server.check()
        return self.call("GET", "/readyz", raw=True) == "ok"

    def _write_kubeconfig(self) -> None:
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            # Its certificate is made anew for every run, in this folder.
            "clusters": [{"name": "test", "cluster": {"server": f"https://{HUB}:6443", "insecure-skip-tls-verify": True}}],
            "users": [{"name": "admin", "user": {"token": self.token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        }))

    def call(self, method: str, path: str, body: object = None, *, raw: bool = False) -> object:
        """One call to the API server, from inside its namespace."""
        words = ["curl", "-sk", "-m", "20", "-X", method, "-w", "\n%{http_code}", f"https://{HUB}:6443{path}"]
        words += ["-H", f"authorization: Bearer {self.token}"]
        kind = "merge-patch+json" if method == "PATCH" else "json"
        words += ["-H", f"content-type: application/{kind}", "--data-binary", "@-"] if body is not None else []
        text = json.dumps(body) if body is not None else None
        done = subprocess.run([*self.inside(), *words], input=text, capture_output=True, text=True)
        answer, _, status = done.stdout.rpartition("\n")
        if raw:
            return answer
        if not status.startswith("2"):
            raise MeshError(f"{method} {path}: {status} {answer.strip() or done.stderr}")
        return json.loads(answer)

    def create(self, *documents: dict) -> None:
        """Creates resources, in their order."""
        for document in documents:
            self.call("POST", path_of(document), document)

    def token_of(self, namespace: str, account: str) -> str:
        """A token for istiod, as the kubelet would mount it into a pod of this account."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["istio-ca"]}}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        return self.call("POST", path, body)["status"]["token"]

    def pod(self, namespace: str, name: str, address: str, labels: dict, spec: dict) -> None:
        """A pod that runs and is ready, as a kubelet would report it."""
        path = f"/api/v1/namespaces/{namespace}/pods"
        self.create({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {**spec, "nodeName": "node"},
        })
        ready = [{"type": kind, "status": "True"} for kind in ("Initialized", "ContainersReady", "Ready")]
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": ready}
        self.call("PATCH", f"{path}/{name}/status", {"status": status})

    def service(
        self, namespace: str, name: str, port: int, target: int, pods: dict[str, str], selector: dict, labels: dict | None = None,
    ) -> str:
        """A service and its endpoints, as the endpoints controller would write them; gives its address."""
        ports = [{"name": "http", "port": port, "targetPort": target, "appProtocol": "http"}]
        self.create(
            {
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace, "labels": labels or {}},
                "spec": {"selector": selector, "ports": ports},
            },
        )
        self.endpoints(namespace, name, {"http": target}, pods)
        return self.call("GET", f"/api/v1/namespaces/{namespace}/services/{name}")["spec"]["clusterIP"]

    def endpoints(self, namespace: str, service: str, ports: dict[str, int], pods: dict[str, str]) -> None:
        """The pods that a service leads to."""
        self.create({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": service, "namespace": namespace, "labels": {"kubernetes.io/service-name": service}},
            "ports": [{"name": name, "port": port, "protocol": "TCP", "appProtocol": "http"} for name, port in ports.items()],
            "endpoints": [
                {
                    "addresses": [address], "conditions": {"ready": True},
                    "targetRef": {"kind": "Pod", "name": pod, "namespace": namespace},
                }
                for pod, address in pods.items()
            ],
        })

    def define(self, crds: Path, files: str = "*.yaml") -> int:
        """Makes the API server know what is in these files, and waits until it does."""
        definitions = [d for path in sorted(crds.glob(files)) for d in yaml.safe_load_all(path.read_text()) if d]
        self.create(*definitions)
        for definition in definitions:
            path = f"{path_of(definition)}/{definition['metadata']['name']}"
            wait_for(path, lambda path=path: any(
                condition["type"] == "Established" and condition["status"] == "True"
                for condition in self.call("GET", path).get("status", {}).get("conditions") or []
            ))
        return len(definitions)


PLURALS = {"NetworkPolicy": "networkpolicies", "AuthorizationPolicy": "authorizationpolicies"}
CLUSTER_WIDE = {"Namespace", "CustomResourceDefinition", "ValidatingWebhookConfiguration"}


def path_of(document: dict) -> str:
    """Where resources of a document's kind are."""
    version, kind = document["apiVersion"], document["kind"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = PLURALS.get(kind, f"{kind.lower()}s")
    namespace = document["metadata"].get("namespace", "default")
    return f"{root}/{plural}" if kind in CLUSTER_WIDE else f"{root}/namespaces/{namespace}/{plural}"
