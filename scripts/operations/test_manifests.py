"""The manifests: against the brief's, against Kubernetes' schemas, and against each other."""

import json
import re
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import kubernetes_validate

import manifests
from commands import commands, stages
from manifests import K8S, OVERLAYS, built, cores, mebibytes, pods, selects
from tree import BRIEF, ROOT, RUNBOOKS, documents, load

BRIEFS = ["voice-agent-deployment.yaml", "redis-deployment.yaml", "voice-agent-hpa.yaml", "recording-storage.yaml"]
# What others define; Kubernetes' own schemas know nothing of it.
FOREIGN = {"ExternalSecret", "ScaledObject"}
VERSIONS = ["1.31", "1.37"]
# By which field the elements of a list are told apart.
KEYS = ("name", "containerPort", "port", "type")
CONTRACT = ROOT / "crates/voice-agent/tests/it/real/snapshots/it__real__contract__the_outside_is_as_it_was.snap"
RECORDING = {"RECORDING_ENABLED", "RECORDING_STORAGE", "RECORDING_RETENTION_DAYS", "RECORDING_ENCRYPTION",
             "RECORDING_ACCESS_LOGGING", "RECORDING_MASTER_KEY"}
# A secret that is there for a while only: until what an earlier key wrapped is wrapped anew.
SECRETS_ELSEWHERE = {"RECORDING_MASTER_KEYS_OLD"}
# Workloads that runbooks name and others install.
OUTSIDE_APPS = {"livekit-server"}


def deviations(brief, ours, path=""):
    """Where ours is not what the brief says; what it has beyond that is no deviation."""
    if isinstance(brief, dict) and isinstance(ours, dict):
        for key, value in brief.items():
            yield from deviations(value, ours.get(key), f"{path}.{key}")
    elif isinstance(brief, list) and isinstance(ours, list):
        for index, value in enumerate(brief):
            key = next((key for key in KEYS if isinstance(value, dict) and key in value), None)
            fitting = [other for other in ours if key and other.get(key) == value[key]] or ours[index:index + 1]
            yield from deviations(value, fitting[0] if fitting else None, f"{path}[{index}]")
    elif brief != ours:
        yield f"{path}: {brief!r}, and not {ours!r}"


def contract():
    return json.loads(CONTRACT.read_text(encoding="utf-8").split("\n---\n", 1)[1])


def setting(key):
    """A default of the configuration's example, in whole numbers."""
    section, name = key.split(".")
    text = (ROOT / "config/example.toml").read_text(encoding="utf-8").split(f"\n[{section}]\n")[1].split("\n[")[0]
    return int(re.search(rf"^{name} = (\d+)$", text, re.MULTILINE).group(1))


def everything():
    """Every object of every kustomization, with where it is from."""
    for folder in ["base", *OVERLAYS, "monitoring"]:
        for (kind, name), thing in built(folder).items():
            yield f"{folder}: {kind} {name}", thing


class ManifestsTest(unittest.TestCase):
    def test_the_briefs_files_are_as_it_has_them(self):
        found = []
        for name in BRIEFS:
            ours = {(thing["kind"], thing["metadata"]["name"]): thing for thing in documents(K8S / "base" / name)}
            for brief in documents(BRIEF / name):
                kind, title = brief["kind"], brief["metadata"]["name"]
                match = ours.get((kind, title)) or next(thing for (_, other), thing in ours.items()
                                                        if other == title and "template" in thing["spec"])
                found += [f"{name}{line}" for line in deviations(brief, match)]
        # The one decision against it: docs/adr/0017-redis-is-a-statefulset.md.
        self.assertEqual(found, ["redis-deployment.yaml.kind: 'Deployment', and not 'StatefulSet'"])

    def test_a_deviation_would_be_found(self):
        brief = {"a": [{"name": "x", "value": 1}], "b": ["p", "q"], "c": {"d": 1}}
        self.assertEqual(list(deviations(brief, {"a": [{"name": "w"}, {"name": "x", "value": 1}], "b": ["p", "q", "r"],
                                                 "c": {"d": 1, "e": 2}})), [])
        wrong = list(deviations(brief, {"a": [{"name": "x", "value": 2}], "b": ["p"], "c": {}}))
        self.assertEqual(len(wrong), 3)

    def test_every_object_is_what_kubernetes_takes(self):
        count = 0
        singles = [(str(path), thing) for path in K8S.rglob("*.yaml") if path.name != "kustomization.yaml"
                   and path.parent.name in ("base", "k8s", "monitoring") for thing in documents(path)]
        for place, thing in [*singles, *everything()]:
            for version in VERSIONS:
                count += 1
                try:
                    kubernetes_validate.validate(thing, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    self.fail(f"{place} ({version}): {list(error.absolute_path)}: {error.message[:300]}")
        self.assertGreater(count, 100)

    def test_an_unknown_field_would_be_found(self):
        thing = built("base")["Deployment", "voice-agent"]
        wrong = json.loads(json.dumps(thing))
        wrong["spec"]["template"]["spec"]["containers"][0]["livenessProb"] = {}
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)

    def test_the_base_holds_every_file_but_no_secret(self):
        listed = set(load(K8S / "base/kustomization.yaml")["resources"])
        self.assertEqual(listed, {path.name for path in (K8S / "base").glob("*.yaml")} - {"kustomization.yaml"})
        self.assertFalse([place for place, thing in everything() if thing["kind"] == "Secret"])

    def test_prometheus_files_are_all_in_its_maps(self):
        folder = K8S.parent / "prometheus"
        listed = {name for entry in load(folder / "kustomization.yaml")["configMapGenerator"] for name in entry["files"]}
        there = {str(path.relative_to(folder)) for path in [*folder.rglob("*.yaml"), *folder.rglob("*.tmpl")]
                 if path.parent.name != "tests"}
        self.assertEqual(there - listed, {"kustomization.yaml", "prometheus-local.yaml"})

    def test_pods_are_guarded(self):
        for folder in [*OVERLAYS, "monitoring"]:
            for name, pod in pods(built(folder)).items():
                spec, where = pod["spec"], f"{folder}: {name}"
                self.assertTrue(spec["securityContext"]["runAsNonRoot"], where)
                self.assertEqual(spec["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"}, where)
                self.assertIn("terminationGracePeriodSeconds", spec, where)
                if name != "prometheus":
                    self.assertIs(spec["automountServiceAccountToken"], False, where)
                # The brief's listings show one container in each pod.
                self.assertEqual(len(spec["containers"]), 1, where)
                for container in spec["containers"]:
                    guard = container["securityContext"]
                    self.assertTrue(guard["readOnlyRootFilesystem"], where)
                    self.assertFalse(guard["allowPrivilegeEscalation"], where)
                    self.assertEqual(guard["capabilities"], {"drop": ["ALL"]}, where)
                    self.assertEqual(set(container["resources"]), {"requests", "limits"}, where)
                    self.assertLessEqual({"livenessProbe", "readinessProbe"}, set(container), where)
                    self.assertNotRegex(container["image"], r":latest$|^[^:]+$", where)

    def test_what_waits_for_the_storage_never_fills_the_pods_disk(self):
        for folder in ["base", *OVERLAYS]:
            objects = built(folder)
            spec = pods(objects)["voice-agent"]["spec"]
            container = spec["containers"][0]
            limits = {volume["name"]: mebibytes(volume["emptyDir"]["sizeLimit"]) for volume in spec["volumes"]}
            data = next(mount["name"] for mount in container["volumeMounts"] if mount["mountPath"] == "/var/lib/voice-agent")
            waits = int(objects["ConfigMap", "voice-agent-config"]["data"]["RECORDING_SPOOL_MAX_MB"]) * 10**6 / 2**20
            # What a second of every call adds, a database of one's own, files on their way: as much again.
            self.assertLessEqual(2 * waits, limits[data], folder)
            # The kubelet keeps 50 MiB of logs.
            self.assertLessEqual(sum(limits.values()) + 50, mebibytes(container["resources"]["limits"]["ephemeral-storage"]))

    def test_services_policies_and_budgets_find_their_pods(self):
        for folder in [*OVERLAYS, "monitoring"]:
            objects = built(folder)
            labels = [pod["metadata"]["labels"] for pod in pods(objects).values()]
            for (kind, name), thing in objects.items():
                selector = {"Service": {"matchLabels": thing.get("spec", {}).get("selector")},
                            "NetworkPolicy": thing.get("spec", {}).get("podSelector"),
                            "PodDisruptionBudget": thing.get("spec", {}).get("selector")}.get(kind)
                if selector:
                    self.assertTrue([each for each in labels if selects(selector, each)], f"{folder}: {kind} {name}")
            ports = {port.get("name") for pod in pods(objects).values() for port in pod["spec"]["containers"][0]["ports"]}
            for (kind, name), thing in objects.items():
                for port in thing["spec"]["ports"] if kind == "Service" else []:
                    self.assertTrue(isinstance(port["targetPort"], int) or port["targetPort"] in ports, name)

    def test_only_agents_carry_the_agents_label(self):
        for folder in OVERLAYS:
            carriers = [name for name, pod in pods(built(folder)).items()
                        if pod["metadata"]["labels"].get("app") == "task-manager-voice"]
            self.assertEqual(carriers, ["voice-agent"])

    def test_probes_and_annotations_lead_to_what_is_served(self):
        pod = pods(built("base"))["voice-agent"]
        container, routes = pod["spec"]["containers"][0], set(contract()["routes"])
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            self.assertIn(container[probe]["httpGet"]["path"], routes)
            self.assertEqual(container[probe]["httpGet"]["port"], ports["http"])
        self.assertEqual(pod["metadata"]["annotations"]["prometheus.io/port"], str(ports["metrics"]))

    def test_every_setting_is_one(self):
        known = set(contract()["environment"]) | RECORDING | {"LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"}
        secrets = {thing["metadata"]["name"]: thing["stringData"] for thing in documents(K8S / "voice-secrets.example.yaml")}
        for folder in ["base", *OVERLAYS]:
            for name in ("voice-agent-config", "voice-recording-config"):
                self.assertLessEqual(set(built(folder)["ConfigMap", name]["data"]), known, folder)
        container = pods(built("base"))["voice-agent"]["spec"]["containers"][0]
        for variable in container["env"]:
            self.assertIn(variable["name"], known)
            wanted = variable["valueFrom"]["secretKeyRef"]
            self.assertIn(wanted["key"], secrets[wanted["name"]])
        self.assertEqual(len(secrets["voice-secrets"]), 7)
        self.assertLessEqual(set(secrets["voice-secrets-optional"]), known)
        optional = [next(iter(source.values())) for source in container["envFrom"]]
        self.assertTrue(all(source["optional"] for source in optional))
        path = K8S / "components/external-secrets/voice-secrets.yaml"
        external = documents(path)[0]
        self.assertEqual({entry["secretKey"] for entry in external["spec"]["data"]}, set(secrets["voice-secrets"]))
        # The second entry is taken whole, so that its keys stand in a comment.
        self.assertEqual(set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", path.read_text(encoding="utf-8"))),
                         set(secrets["voice-secrets-optional"]))

    def test_every_secret_of_the_agent_has_its_place(self):
        source = (ROOT / "crates/voice-agent/src/config/secret.rs").read_text(encoding="utf-8")
        wanted = set(re.findall(r'^    \w+: "([A-Z0-9_]+)",$', source, re.MULTILINE))
        self.assertIn("AUTH_JWT_SECRET", wanted)
        first, second = (set(thing["stringData"]) for thing in documents(K8S / "voice-secrets.example.yaml"))
        self.assertEqual(wanted - {key.upper().replace("-", "_") for key in first} - second, SECRETS_ELSEWHERE)

    def test_secrets_are_placeholders(self):
        for thing in documents(K8S / "voice-secrets.example.yaml"):
            for key, value in thing["stringData"].items():
                self.assertTrue("replace-me" in value or key == "redis-url", key)

    def test_the_image_and_the_deployment_agree(self):
        text = (K8S.parent / "image/Containerfile").read_text(encoding="utf-8")
        final = text.rsplit("\nFROM ", 1)[1]
        variables = dict(re.findall(r"(?:^ENV|^   ) (\w+)=(\S+)", final, re.MULTILINE))
        self.assertLessEqual(set(variables), set(contract()["environment"]))
        spec = pods(built("base"))["voice-agent"]["spec"]
        container = spec["containers"][0]
        self.assertIn(f"USER {spec['securityContext']['runAsUser']}:{spec['securityContext']['runAsGroup']}\n", final)
        for port, variable in zip(container["ports"], ("HTTP_ADDR", "METRICS_ADDR")):
            self.assertEqual(variables[variable], f"0.0.0.0:{port['containerPort']}")
            self.assertIn(str(port["containerPort"]), re.search(r"^EXPOSE (.+)$", final, re.MULTILINE).group(1))
        self.assertIn(variables["DATA_DIR"], [mount["mountPath"] for mount in container["volumeMounts"]])
        sources = re.findall(r"^COPY ((?!--)[^\n]+) \S+$", text, re.MULTILINE)
        for source in (name for line in sources for name in line.split()):
            self.assertTrue((ROOT / source).exists(), source)

    def test_a_call_has_the_time_to_move(self):
        spec = pods(built("base"))["voice-agent"]["spec"]
        stop = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        needed = stop + (setting("shutdown.notice_ms") + setting("shutdown.grace_ms")) / 1000
        self.assertGreater(spec["terminationGracePeriodSeconds"], needed + 10)

    def test_the_proxy_cuts_no_call(self):
        longest = (setting("session.max_ms") + setting("session.closing_ms")) / 1000
        notes = built("base")["Ingress", "voice-agent"]["metadata"]["annotations"]
        for name in ("proxy-read-timeout", "proxy-send-timeout"):
            self.assertGreater(int(notes[f"nginx.ingress.kubernetes.io/{name}"]), max(longest, 1800) + 60)
        for folder in OVERLAYS:
            objects = built(folder)
            hosts = [rule["host"] for rule in objects["Ingress", "voice-agent"]["spec"]["rules"]]
            self.assertEqual(hosts, objects["Ingress", "voice-agent"]["spec"]["tls"][0]["hosts"])
            self.assertIn(objects["ConfigMap", "voice-agent-config"]["data"]["PUBLIC_URL"].removeprefix("https://"), hosts)

    def test_overlays_are_what_their_regions_need(self):
        replicas = {folder: built(folder)["Deployment", "voice-agent"]["spec"]["replicas"] for folder in OVERLAYS}
        self.assertEqual(replicas, dict(zip(OVERLAYS, (3, 2, 2))))
        for folder in OVERLAYS:
            region = folder.rsplit("/", 1)[1]
            self.assertEqual(built(folder)["ConfigMap", "voice-agent-config"]["data"]["REGION"], region)
        command = {folder: pods(built(folder))["voice-redis"]["spec"]["containers"][0]["command"] for folder in OVERLAYS}
        self.assertIn("--replicaof", command["overlays/us-west-2"])
        self.assertNotIn("--replicaof", command["overlays/us-east-1"])
        for name, thing in built("overlays/staging").items():
            self.assertTrue(name[0] in ("Namespace",) or thing["metadata"]["namespace"] == "voice-staging", name)

    def test_there_is_one_autoscaler_whichever_is_chosen(self):
        def scalers(objects):
            return [(kind, name) for kind, name in objects if kind in ("HorizontalPodAutoscaler", "ScaledObject")]

        cpu = built("overlays/us-east-1")
        sessions = manifests.with_component("overlays/us-east-1", "hpa-sessions")
        keda = manifests.with_component("overlays/us-east-1", "keda")
        hpa = ("HorizontalPodAutoscaler", "voice-agent-hpa")
        self.assertEqual([scalers(each) for each in (cpu, sessions, keda)], [[hpa], [hpa], [("ScaledObject", "voice-agent")]])
        metric = sessions[hpa]["spec"]["metrics"]
        self.assertEqual([each["pods"]["metric"]["name"] for each in metric], ["voice_agent_active_sessions"])
        kubernetes_validate.validate(sessions[hpa], VERSIONS[-1], strict=True)
        # The bounds and the pace are the brief's in all three.
        scaled = keda["ScaledObject", "voice-agent"]["spec"]
        self.assertEqual((scaled["minReplicaCount"], scaled["maxReplicaCount"]), (2, 20))
        self.assertEqual(scaled["advanced"]["horizontalPodAutoscalerConfig"],
                         {"name": "voice-agent-hpa", "behavior": cpu[hpa]["spec"]["behavior"]})
        target = int(scaled["triggers"][0]["metadata"]["threshold"])
        self.assertEqual(metric[0]["pods"]["target"]["averageValue"], str(target))
        self.assertLess(target, setting("limits.max_sessions"))
        rule = load(K8S / "components/hpa-sessions/prometheus-adapter.yaml")["rules"][0]
        self.assertIn(rule["name"]["as"], rule["seriesQuery"])

    def test_external_secrets_and_the_rest_build_together(self):
        objects = manifests.with_component("overlays/us-west-2", "external-secrets")
        self.assertEqual({name for kind, name in objects if kind == "ExternalSecret"},
                         {"voice-secrets", "voice-secrets-optional"})

    def test_everything_fits_the_briefs_cluster(self):
        # Three n2-standard-4: what GKE leaves of 4 cores and 16 GiB, less 0.2 cores and a GiB for its own pods on each node.
        room_cores, room_memory = 3 * (3.92 - 0.2), 3 * (13.3 - 1) * 1024
        objects = built("overlays/us-east-1")
        largest = objects["HorizontalPodAutoscaler", "voice-agent-hpa"]["spec"]["maxReplicas"]
        surge = objects["Deployment", "voice-agent"]["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
        cpu = memory = 0
        for name, pod in pods(objects).items():
            requests = pod["spec"]["containers"][0]["resources"]["requests"]
            count = largest + surge if name == "voice-agent" else 1
            cpu, memory = cpu + count * cores(requests["cpu"]), memory + count * mebibytes(requests["memory"])
        self.assertLess(cpu, room_cores)
        self.assertLess(memory, room_memory)
        text = (ROOT / "docs/kubernetes.md").read_text(encoding="utf-8")
        self.assertIn(f"{cpu:.1f} cores", text)
        self.assertIn(f"{memory / 1024:.1f} GiB", text)

    def test_a_real_redis_takes_the_commands_of_the_manifests(self):
        for folder, name in (("base", "voice-redis"), ("base", "voice-redis-replica"), ("overlays/us-west-2", "voice-redis")):
            command = pods(built(folder))[name]["spec"]["containers"][0]["command"]
            with self.subTest(folder=folder, name=name), tempfile.TemporaryDirectory() as data:
                socket = str(Path(data) / "redis.sock")
                server = subprocess.Popen([*command, "--port", "0", "--unixsocket", socket, "--dir", data],
                                          stdout=subprocess.DEVNULL)
                try:
                    self.assertEqual(self.redis(socket, "ping"), "PONG")
                    self.assertIn("noeviction", self.redis(socket, "config", "get", "maxmemory-policy"))
                    self.assertIn("yes", self.redis(socket, "config", "get", "appendonly"))
                    role = "slave" if "--replicaof" in command else "master"
                    self.assertIn(f"role:{role}", self.redis(socket, "info", "replication"))
                finally:
                    server.kill()
                    server.wait()

    def redis(self, socket, *words):
        for _ in range(200):
            result = subprocess.run(["redis-cli", "-s", socket, *words], capture_output=True, text=True)
            if result.returncode == 0:
                return result.stdout.strip()
            time.sleep(0.05)
        self.fail(f"no answer to {words}")

    def test_what_runbooks_and_the_briefs_commands_name_is_there(self):
        objects = {**built("overlays/us-east-1"), **built("monitoring")}
        kinds = {"deployment": "Deployment", "deploy": "Deployment", "statefulset": "StatefulSet", "svc": "Service",
                 "service": "Service", "hpa": "HorizontalPodAutoscaler", "ingress": "Ingress"}
        apps = {pod["metadata"]["labels"]["app"] for pod in pods(objects).values()} | OUTSIDE_APPS
        sets = {name for kind, name in objects if kind == "StatefulSet"}
        text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(RUNBOOKS.glob("*.md")))
        text += (ROOT / "spec.md").read_text(encoding="utf-8") + (BRIEF / "commands.md").read_text(encoding="utf-8")
        count = 0
        for words in (stage for command in commands(text) for stage in stages(command) if stage[0] == "kubectl"):
            line = " ".join(words)
            for kind, name in re.findall(rf"\b({'|'.join(kinds)})[/ ]([a-z][\w-]+)(?![\w/-])", line):
                if name not in OUTSIDE_APPS:
                    count += 1
                    self.assertIn((kinds[kind], name), objects, line)
            for app in re.findall(r"-l app=([\w-]+)", line):
                self.assertIn(app, apps, line)
            for pod in re.findall(r" ([a-z][a-z-]+)-0 ", line):
                self.assertIn(pod, sets, line)
        self.assertGreater(count, 30)


if __name__ == "__main__":
    unittest.main()
