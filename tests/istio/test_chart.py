#!/usr/bin/env python3
"""The chart, rendered by the real Helm, and every resource held against the schemas that its own project publishes.

Whatever Helm renders or refuses here, `policy-compiler render istio` must render alike, or refuse.

Run by scripts/test-chart, which names the tools in the environment.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import tempfile
import unittest
from functools import cache
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
CHART = HERE.parent.parent / "istio/chart"
HELM, VALIDATE, CRDS = (os.environ[name] for name in ("HELM", "KUBECTL_VALIDATE", "CRDS"))
COMPILER = os.environ["POLICY_COMPILER"]
VALUES = {path.stem: path for path in sorted((HERE / "values").glob("*.yaml"))}
MODES = ("plain", "buffered", "headers")
SIZES = {
    "minimal": 4, "everything": 15, "companion-tls": 8, "shared-companion": 5, "waypoint": 2, "client": 1, "companion-registry": 9,
    "companion-audit": 8,
}
"""How many resources come of values as they are: a template that renders nothing would go unnoticed."""


def helm(command: str, values: str, *sets: str) -> subprocess.CompletedProcess:
    words = [HELM, command, *(["sallyport"] if command == "template" else []), str(CHART), "--namespace", "tools"]
    return with_values(words, values, *sets)


def without_helm(values: str, *sets: str) -> subprocess.CompletedProcess:
    return with_values([COMPILER, "render", "istio", "--namespace", "tools"], values, *sets)


def with_values(words: list[str], values: str, *sets: str) -> subprocess.CompletedProcess:
    """Runs a command with values of ours, and over them these: `path.of.keys=JSON`."""
    more: dict = {}
    for pair in sets:
        path, value = pair.split("=", 1)
        *parents, last = path.split(".")
        at = more
        for key in parents:
            at = at.setdefault(key, {})
        at[last] = json.loads(value)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(more, file, ensure_ascii=False)
        file.flush()
        return subprocess.run([*words, "--values", str(VALUES[values]), "--values", file.name], capture_output=True, text=True)


@cache
def render(values: str, *sets: str) -> list[dict]:
    """What Helm makes of values; and nothing else is what the compiler makes of them."""
    done, ours = helm("template", values, *sets), without_helm(values, *sets)
    assert done.returncode == 0, done.stderr
    assert ours.returncode == 0, ours.stderr
    theirs = documents_of(done.stdout.replace("app.kubernetes.io/managed-by: Helm", "app.kubernetes.io/managed-by: policy-compiler"))
    difference = unlike(theirs, documents_of(ours.stdout))
    assert not difference, f"`helm template` and `render istio` differ for {values} {sets}: {difference}"
    return documents_of(done.stdout)


def documents_of(text: str) -> list[dict]:
    return [document for document in yaml.load_all(text, Loader=StrictLoader) if document]


def unlike(theirs: list[dict], ours: list[dict]) -> list[str]:
    """The resources that are not the same in both."""
    def by_name(documents: list[dict]) -> dict:
        named = {f"{d['apiVersion']} {d['kind']} {d['metadata']['name']}": json.dumps(d, sort_keys=True) for d in documents}
        assert len(named) == len(documents)
        return named
    theirs, ours = by_name(theirs), by_name(ours)
    return sorted(name for name in theirs | ours if theirs.get(name) != ours.get(name))


class StrictLoader(yaml.CSafeLoader):
    """Refuses a key that stands twice, which YAML forbids and most readers let pass."""


def _mapping(loader: StrictLoader, node: yaml.MappingNode) -> dict:
    keys = [loader.construct_object(key) for key, _ in node.value]
    if doubled := {key for key in keys if keys.count(key) > 1}:
        raise yaml.YAMLError(f"{node.start_mark}: keys that stand twice: {doubled}")
    return dict(zip(keys, (loader.construct_object(value, deep=True) for _, value in node.value), strict=True))


StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def of_kind(documents: list[dict], kind: str, name: str = "") -> dict:
    found = [d for d in documents if d["kind"] == kind and d["metadata"]["name"].endswith(name)]
    assert len(found) == 1, f"{len(found)} of {kind}"
    return found[0]


def schemas(istio: str, path: Path) -> str:
    """What the validator has against the resources in a file, with Istio's schemas of that version."""
    words = [VALIDATE, "--version", "1.30", "--local-crds", f"{CRDS}/istio-{istio}", "--local-crds", f"{CRDS}/others"]
    done = subprocess.run([*words, str(path)], capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


class Rendering(unittest.TestCase):
    """A matrix of values."""

    def validated(self, documents: list[dict], istio: str) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump_all(documents, file)
            file.flush()
            self.assertEqual(schemas(istio, Path(file.name)), "")

    def test_values_lint(self) -> None:
        for values in VALUES:
            done = helm("lint", values)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertNotIn("[WARNING]", done.stdout)

    def test_the_defaults_need_to_be_filled_in(self) -> None:
        done = subprocess.run([HELM, "template", "x", str(CHART)], capture_output=True, text=True)
        self.assertIn("gate.module.url is empty", done.stderr)

    def test_every_resource_is_one(self) -> None:
        for values, size in SIZES.items():
            documents = render(values)
            self.assertEqual(len(documents), size, [f"{d['kind']}/{d['metadata']['name']}" for d in documents])
            identities = {(d["kind"], d["metadata"]["name"]) for d in documents}
            self.assertEqual(len(identities), size)
            self.validated(documents, "1.31")

    def test_large_numbers_are_written_out(self) -> None:
        """Templates write a number as 1e+06 unless they are told not to."""
        sets = ("gate.priority=1000000", "companion.runAsUser=1000680000", "companion.replicas=1000000", "companion.maxUnavailable=1000000")
        documents = render("everything", *sets)
        self.assertEqual(plugin_spec(documents)["priority"], 1_000_000)
        deployment = of_kind(documents, "Deployment")["spec"]
        self.assertEqual(deployment["replicas"], 1_000_000)
        security = deployment["template"]["spec"]["securityContext"]
        self.assertEqual([security[key] for key in ("runAsUser", "runAsGroup", "fsGroup")], [1_000_680_000] * 3)

    def test_without_helm_the_same_comes_of_unusual_values(self) -> None:
        """Text that YAML or JSON could take for something else, and defaults that are taken away."""
        odd = 'a<b>&c"d\\e:#f%g{{h}}'
        for values, *sets in (
            ("minimal", f'interlock.secret={json.dumps(odd)}', 'gate.companion={"host":"c.d.svc","path":"/a&b"}', f'gate.keys=["{"Q" * 43}="]'),
            ("minimal", f'interlock.secret={json.dumps(odd)}', 'gate.installMode="headers"', 'gate.selector={"a":"yes","b":"1","c":""}'),
            ("everything", r'companion.podAnnotations={"a":"no","b":"1.0","c":"x\ny","d":"\u00e4\ud83d\ude00\u0007"}', "companion.runAsUser=null"),
            ("everything", 'companion.resources={"limits":{"memory":null,"cpu":0.5}}', 'companion.extraArgs=["--poll=5","a b"]'),
            ("everything", "companion.networkPolicy.enabled=false", 'companion.serviceAccount.name="own"', 'gate.ports=[]'),
            ("companion-tls", 'companion.tolerations=[{"key":"a","operator":"Exists"},{"operator":"Exists"}]', 'clusterDomain="c.example"'),
            ("shared-companion", 'gate.module.url="file:///m.wasm"', 'gate.module.sha256=""', 'gate.installMode="headers"'),
        ):
            with self.subTest(values=values, sets=sets):
                self.assertTrue(render(values, *sets))

    def test_a_difference_is_found(self) -> None:
        documents = render("minimal")
        other = json.loads(json.dumps(documents))
        of_kind(other, "PeerAuthentication")["spec"]["mtls"]["mode"] = "PERMISSIVE"
        self.assertEqual([name.split()[1] for name in unlike(documents, other)], ["PeerAuthentication"])
        self.assertEqual(len(unlike(documents, documents[1:])), 1)

    def test_modes_and_versions(self) -> None:
        for mode, version in itertools.product(MODES, ("1.26", "1.27", "1.28", "1.30", "1.31")):
            for interlock, ports in itertools.product(("true", "false"), ("[]", "[8080]")):
                documents = render(
                    "minimal", f'gate.installMode="{mode}"', f'istioVersion="{version}"',
                    f"interlock.enabled={interlock}", f"gate.ports={ports}", 'accessLog.via="stdout"',
                )
                with self.subTest(mode=mode, version=version, interlock=interlock, ports=ports):
                    schema = {"1.26": "1.27", "1.30": "1.31"}.get(version, version)
                    self.validated(documents, schema)
                    self.assertEqual(gate_kind(documents), expected_kind(mode, version))
                    self.assertEqual(fail_strategy(documents), "FAIL_CLOSE" if version == "1.26" else "FAIL_RELOAD")

    def test_plain_needs_no_envoy_filter(self) -> None:
        self.assertNotIn("EnvoyFilter", [d["kind"] for d in render("minimal", 'gate.installMode="plain"')])

    def test_examples(self) -> None:
        for name in ("spire/clusterspiffeids.yaml", "peer-authentication.yaml"):
            self.assertEqual(schemas("1.31", CHART.parent / name), "", name)

    def test_the_validator_finds_mistakes(self) -> None:
        """A validator that lets everything pass would let the other tests pass."""
        plugin = of_kind(render("minimal", 'istioVersion="1.28"'), "WasmPlugin")
        for change, word in (
            ({"phase": "AUTHZZ"}, "phase"), ({"sha256": "abc"}, "sha256"), ({"colour": "red"}, "colour"),
            ({"failStrategy": "FAIL_NEVER"}, "failStrategy"), ({"targetRefs": [{"kind": "Gateway", "name": "x"}]}, "only one of"),
        ):
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                yaml.safe_dump({**plugin, "spec": {**plugin["spec"], **change}}, file)
                file.flush()
                self.assertIn(word, schemas("1.31", Path(file.name)))


class Content(unittest.TestCase):
    """What the resources say."""

    def test_one_limit_for_bodies(self) -> None:
        text = json.dumps(of_kind(render("minimal", "gate.bodyLimit=2000000"), "EnvoyFilter"))
        room = 2_000_000 + 65_536
        for key in ("per_connection_buffer_limit_bytes", "initial_stream_window_size", "max_request_bytes"):
            self.assertEqual(re.findall(rf'"{key}": (\d+)', text), [str(room)])

    def test_the_secret_is_the_same_in_both_places(self) -> None:
        for mode in MODES:
            documents = render("minimal", f'gate.installMode="{mode}"')
            rule = of_kind(documents, "AuthorizationPolicy")["spec"]["rules"][0]["when"][0]
            self.assertEqual(rule["notValues"], [plugin_config(documents)["interlock"]])
            self.assertEqual(of_kind(documents, "AuthorizationPolicy")["spec"]["action"], "DENY")

    def test_the_configuration_is_what_the_filter_takes(self) -> None:
        known = {"bundle", "keys", "retiredKeys", "audience", "companion", "interlock", "identity", "hold", "clock"}
        for values, mode in itertools.product(("minimal", "shared-companion"), MODES):
            config = plugin_config(render(values, f'gate.installMode="{mode}"'))
            self.assertLessEqual(set(config), known)
            self.assertEqual(config.get("hold"), "headers" if mode == "headers" else None)

    def test_callers_are_known_by_what_there_is(self) -> None:
        own = "spiffe://cluster.local/ns/agents/sa/research"
        for values, version, identity in (
            ("minimal", "1.30", None), ("minimal", "1.29", "firstUriSan"),
            ("waypoint", "1.30", "peerPrincipal"), ("waypoint", "1.29", "peerPrincipal"), ("client", "1.29", own),
        ):
            config = plugin_config(render(values, f'istioVersion="{version}"'))
            self.assertEqual(config.get("identity"), identity, (values, version))

    def test_the_companion_is_called_by_its_cluster(self) -> None:
        host = "sallyport-companion.tools.svc.cluster.local"
        documents = render("everything")
        self.assertEqual(
            plugin_config(documents)["companion"],
            {"cluster": f"outbound|8443||{host}", "authority": f"{host}:8443"},
        )
        service = of_kind(documents, "Service")
        self.assertEqual([port["port"] for port in service["spec"]["ports"]], [8443, 8444])
        self.assertEqual(f"{service['metadata']['name']}.tools.svc.cluster.local", host)
        self.assertEqual(of_kind(documents, "DestinationRule")["spec"]["host"], host)
        self.assertEqual(plugin_config(render("shared-companion"))["companion"]["path"], "/bundles")

    def test_waypoints_are_told_of_the_companion(self) -> None:
        host = "sallyport-companion.sallyport.svc.cluster.local"
        sets = (f'gate.companion.host="{host}"', f'gate.keys=["{"Q" * 43}="]')
        annotations = of_kind(render("waypoint", *sets), "EnvoyFilter")["metadata"]["annotations"]
        self.assertEqual(annotations, {"envoyfilter.istio.io/referenced-services": host})
        self.assertNotIn("EnvoyFilter", [d["kind"] for d in render("waypoint")])

    def test_the_companion_may_do_little(self) -> None:
        for values in ("everything", "companion-tls", "companion-registry", "companion-audit"):
            pod = of_kind(render(values), "Deployment")["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            self.assertTrue(pod["securityContext"]["runAsNonRoot"])
            self.assertFalse(pod["automountServiceAccountToken"])
            for one in pod["containers"] + pod.get("initContainers", []):
                self.assertEqual(
                    one["securityContext"],
                    {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
                )
                mounts = {mount["name"] for mount in one["volumeMounts"]}
                self.assertLessEqual(mounts, {volume["name"] for volume in pod["volumes"]})
            self.assertEqual({"startupProbe", "livenessProbe", "readinessProbe"} - set(container), set())

    def test_the_companion_follows_a_registry(self) -> None:
        pod = of_kind(render("companion-registry"), "Deployment")["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        self.assertEqual(container["args"][:3], ["serve", "--registry=oci://registry.example/sallyport/policy:live", "--key=/verify/0.pub"])
        self.assertEqual(container["env"], [{"name": "DOCKER_CONFIG", "value": "/registry"}])
        (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "registry"]
        self.assertEqual(volume["secret"]["items"], [{"key": ".dockerconfigjson", "path": "config.json"}])
        self.assertNotIn("policy", [volume["name"] for volume in pod["volumes"]])

    def test_records_are_kept_in_a_file_by_one_replica(self) -> None:
        documents = render("companion-audit")
        deployment = of_kind(documents, "Deployment")["spec"]
        self.assertEqual((deployment["replicas"], deployment["strategy"]), (1, {"type": "Recreate"}))
        pod = deployment["template"]["spec"]
        (container,) = pod["containers"]
        args = [
            "--tls-client-ca=/client-ca/root-cert.pem", "--audit=/audit/records.db", "--audit-key=/audit-key/audit.key",
            "--audit-signed-by=/verify/audit-0.pub", "--audit-from=spiffe://cluster.local/ns/*/sa/*", "--audit-keep-days=90", "--audit-keep-mib=8000",
        ]
        self.assertEqual(container["args"][-len(args):], args)
        self.assertNotIn("env", container)
        claim = of_kind(documents, "PersistentVolumeClaim")
        self.assertEqual(claim["spec"]["resources"]["requests"], {"storage": "20Gi"})
        self.assertEqual(claim["metadata"]["annotations"], {"helm.sh/resource-policy": "keep"})
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        self.assertEqual(volumes["audit"]["persistentVolumeClaim"]["claimName"], claim["metadata"]["name"])
        self.assertEqual(volumes["audit-key"]["secret"]["items"], [{"key": "audit.key", "path": "audit.key"}])
        keys = of_kind(documents, "ConfigMap")["data"]
        self.assertEqual(sorted(keys), ["0.pub", "audit-0.pub"])
        self.assertIn("QkJC", keys["audit-0.pub"])
        own = render("companion-audit", 'companion.audit.volume.existingClaim="mine"')
        self.assertNotIn("PersistentVolumeClaim", [document["kind"] for document in own])

    def test_records_are_kept_in_a_database_by_several(self) -> None:
        documents = render("everything")
        deployment = of_kind(documents, "Deployment")["spec"]
        self.assertEqual((deployment["replicas"], "rollingUpdate" in deployment["strategy"]), (3, True))
        (container,) = deployment["template"]["spec"]["containers"]
        self.assertEqual(container["args"][-2:], ["--audit-key=/audit-key/audit.key", "--audit-otlp=http://collector.monitoring:4318"])
        self.assertEqual(
            container["env"],
            [
                {"name": "SALLYPORT_AUDIT_STORE", "valueFrom": {"secretKeyRef": {"name": "audit-store", "key": "url"}}},
                {"name": "SSL_CERT_FILE", "value": "/audit-ca/ca.crt"},
            ],
        )
        self.assertNotIn("audit", [volume["name"] for volume in deployment["template"]["spec"]["volumes"]])

    def test_selectors_find_the_companion(self) -> None:
        documents = render("everything")
        labels = of_kind(documents, "Deployment")["spec"]["template"]["metadata"]["labels"]
        for selector in (
            of_kind(documents, "Service")["spec"]["selector"],
            of_kind(documents, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
            of_kind(documents, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
            of_kind(documents, "PeerAuthentication", "companion")["spec"]["selector"]["matchLabels"],
        ):
            self.assertLessEqual(selector.items(), labels.items())
        service = of_kind(documents, "Service")["metadata"]["labels"]
        monitor = of_kind(documents, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
        self.assertLessEqual(monitor.items(), service.items())
        self.assertFalse({"app": "tool-api"}.items() <= labels.items())


class Refusals(unittest.TestCase):
    """Values that make no sense are refused, with the value's name."""

    def refused(self, word: str, values: str, *sets: str) -> None:
        done = helm("template", values, *sets)
        self.assertNotEqual(done.returncode, 0, f"{sets} were taken")
        self.assertIn(word, done.stderr)
        ours = without_helm(values, *sets)
        self.assertEqual(ours.returncode, 2, f"{sets} were taken without Helm")
        self.assertIn(re.sub(r"/(?=[a-z])", ".", word).replace("/0", "[0]"), ours.stderr)

    def test_values_that_the_schema_refuses(self) -> None:
        for word, pair in (
            ("istioVersion", "istioVersion=1.30"), ("gate/installMode", 'gate.installMode="held"'),
            ("gate/module/sha256", 'gate.module.sha256="sha256:abc"'), ("gate/module/url", 'gate.module.url="registry/x"'),
            ("gate/failStrategy", 'gate.failStrategy="FAIL_OPEN"'), ("gate/ports/0", "gate.ports=[0]"),
            ("interlock/secret", 'interlock.secret="short"'), ("gate/audience", 'gate.audience="Tools"'),
            ("bodylimit", "gate.bodylimit=1"), ("gate/bodyLimit", "gate.bodyLimit=16777217"),
            ("companion/replicas", "companion.replicas=0"), ("gate/keys", 'gate.keys=["x"]'),
            ("gate/selector/app", 'gate.selector={"app":"tool api"}'),
            ("companion/audit/store", 'companion.audit.store="mysql"'),
            ("companion/audit/from/0", 'companion.audit.from=["cluster.local"]'),
            ("companion/audit/volume/size", 'companion.audit.volume.size="10 GB"'),
            ("companion/audit/retention/days", "companion.audit.retention.days=-1"),
        ):
            with self.subTest(pair):
                self.refused(word, "minimal", pair)

    def test_values_that_do_not_go_together(self) -> None:
        for word, values, *sets in (
            ("gate.module.sha256 is empty", "minimal", 'gate.module.sha256=""'),
            ("commonLabels has helm.sh", "minimal", 'commonLabels={"helm.sh/chart":"x"}'),
            ("companion.podLabels has sidecar.istio.io", "companion-tls",
             'companion.podLabels={"sidecar.istio.io/inject":"true"}'),
            ("there is no policy", "minimal", 'gate.bundle=""'),
            ("gate.keys is empty", "shared-companion", "gate.keys=[]"),
            ("interlock.secret is empty", "minimal", 'interlock.secret=""'),
            ("gate.targetRefs", "waypoint", 'gate.installMode="buffered"'),
            ("gate.targetRefs", "waypoint", 'gate.selector={"a":"b"}'),
            ("gate.module.pullSecret", "everything", 'gate.installMode="headers"'),
            ("gate.installMode plain", "client", 'gate.installMode="headers"'),
            ("gate.workload is empty", "client", 'gate.workload=""'),
            ("interlock.enabled=false", "client", "interlock.enabled=true", 'interlock.secret="0123456789abcdef"'),
            ("gate.mode CLIENT goes with gate.selector", "waypoint", 'gate.mode="CLIENT"', "interlock.enabled=false"),
            ("istioVersion 1.30", "minimal", 'istioVersion="1.29"', 'gate.kind="TrafficExtension"'),
            ("istioVersion 1.27", "minimal", 'istioVersion="1.26"', 'gate.failStrategy="FAIL_RELOAD"'),
            ("accessLog.provider", "shared-companion", 'accessLog.provider=""'),
            ("gate.selector is empty", "everything", "gate.selector=null"),
            ("companion.image", "companion-tls", 'companion.image.tag=""'),
            ("companion.policyVolume", "companion-tls", "companion.policyVolume=null"),
            ("companion.registry exclude", "companion-tls", 'companion.registry="oci://r.example/x:y"'),
            ("companion.verifyKeys", "everything", 'companion.registry="oci://r.example/x:y"', "companion.policyVolume=null"),
            ("companion.registrySecret", "companion-tls", 'companion.registrySecret="x"'),
            ("companion.signingKeySecrets", "companion-tls", "companion.verifyKeys=[]"),
            ("companion.signingKeySecrets", "companion-tls", 'companion.signingKeySecrets=["k"]'),
            ("companion.keyCopyImage", "everything", 'companion.keyCopyImage=""'),
            ("companion.casesVolume", "companion-tls", 'companion.casesVolume={"emptyDir":{}}'),
            ("companion.tls.client", "companion-tls", "companion.tls.client=null"),
            ("companion.audit.keySecret", "companion-audit", 'companion.audit.keySecret=""'),
            ("companion.audit.store sqlite", "companion-audit", "companion.replicas=2"),
            ("companion.audit.postgres.urlSecret", "everything", 'companion.audit.postgres.urlSecret=""'),
            ("companion.audit.from", "companion-audit", 'companion.tls.clientCa.configMap=""'),
            ("companion.audit.from", "everything", 'companion.audit.from=["spiffe://a.b/c"]'),
            ("companion.tls.clientCa", "everything", 'companion.tls.clientCa.configMap="x"'),
            ("companion.tls.secretName", "companion-tls", "companion.tls.certManager.enabled=false"),
        ):
            with self.subTest(word):
                self.refused(word, values, *sets)

    def test_every_value_is_described(self) -> None:
        """values.yaml and the schema know the same keys."""
        values = yaml.safe_load((CHART / "values.yaml").read_text())
        schema = json.loads((CHART / "values.schema.json").read_text())
        self.assertEqual(keys_of_values(values, schema), keys_of_schema(schema) - {"global"})


def keys_of_values(values: dict, schema: dict, at: str = "") -> set[str]:
    found = set()
    for key, value in values.items():
        found.add(at + key)
        part = schema.get("properties", {}).get(key, {})
        if "properties" in part:
            found |= keys_of_values(value, part, f"{at}{key}.")
    return found


def keys_of_schema(schema: dict, at: str = "") -> set[str]:
    found = set()
    for key, part in schema.get("properties", {}).items():
        found |= {at + key} | keys_of_schema(part, f"{at}{key}.")
    return found


def expected_kind(mode: str, version: str) -> str:
    if mode == "headers":
        return "EnvoyFilter"
    return "TrafficExtension" if version in ("1.30", "1.31") else "WasmPlugin"


def gate_kind(documents: list[dict]) -> str:
    plugins = [d["kind"] for d in documents if d["kind"] in ("WasmPlugin", "TrafficExtension")]
    return plugins[0] if plugins else "EnvoyFilter"


def extension(documents: list[dict]) -> dict:
    """The module's part of the EnvoyFilter of mode headers."""
    patches = of_kind(documents, "EnvoyFilter", "-hold")["spec"]["configPatches"]
    (patch,) = [p for p in patches if p["applyTo"] == "EXTENSION_CONFIG"]
    return patch["patch"]["value"]["typed_config"]["config"]


def plugin_spec(documents: list[dict]) -> dict:
    return of_kind(documents, gate_kind(documents))["spec"]


def plugin(documents: list[dict]) -> dict:
    spec = plugin_spec(documents)
    return spec.get("wasm", spec)


def plugin_config(documents: list[dict]) -> dict:
    if gate_kind(documents) == "EnvoyFilter":
        return json.loads(extension(documents)["configuration"]["value"])
    return plugin(documents)["pluginConfig"]


def fail_strategy(documents: list[dict]) -> str:
    if gate_kind(documents) == "EnvoyFilter":
        return extension(documents)["failure_policy"].replace("CLOSED", "CLOSE")
    return plugin(documents)["failStrategy"]


if __name__ == "__main__":
    unittest.main()
