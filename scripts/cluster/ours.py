"""A cluster of nodes of our own: its pods are real processes, behind Services, with the brief's three machines."""

import os
import secrets
import shutil
import tempfile
import unittest
from pathlib import Path

import yaml

from callers import Crowd, bearer
from drill_parts import Processes, Providers, until
from fakes import REGION, SIZE, ZONES, volume
from images import images
from manifests import K8S, built
from network import Relays
from node import Machines, Node
from plane import Plane

NODES = ["ours-1", "ours-2", "ours-3"]
AGENTS = "app=task-manager-voice,component=agent"
PODS_PATH = "/api/v1/namespaces/default/pods"
# Who callers are: tokens that are signed with a secret, since there is no identity provider here.
SIGNED = {"AUTH_JWT_ALGORITHM": "HS256", "AUTH_JWKS_URL": ""}
CHAINS = {"STT_CHAIN": "deepgram", "LLM_CHAIN": "embedded", "TTS_CHAIN": "cartesia"}


def node_parts(name, zone):
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
              "topology.kubernetes.io/region": REGION, "topology.kubernetes.io/zone": zone}
    status = {**SIZE, "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}]}
    return status, labels


class OurCluster(unittest.TestCase):
    """A control plane, three nodes whose pods are processes, and the overlay us-east-1 on them, for all tests of a class."""

    overlay, component = "overlays/us-east-1", None

    @classmethod
    def setUpClass(cls):
        if os.geteuid() or not os.environ.get("CLUSTER_TARGET"):
            raise unittest.SkipTest("pods that are processes need root, and the folder of the binaries")
        cls.folder = Path(tempfile.mkdtemp(prefix="voice-cluster-"))
        # Everybody's programs pass through to what is theirs.
        cls.folder.chmod(0o755)
        cls.addClassCleanup(cls.clean_up)
        cls.processes = Processes(cls.folder, os.environ["CLUSTER_TARGET"])
        cls.addClassCleanup(cls.processes.stop_all)
        cls.plane = Plane(cls.processes).start(NODES)
        cls.api, cls.kubectl = cls.plane.api, cls.plane.kubectl
        cls.relays = Relays(cls.api)
        cls.addClassCleanup(cls.relays.stop)
        cls.start_nodes()
        cls.rehearse()
        cls.deploy()

    @classmethod
    def clean_up(cls):
        if os.environ.get("CLUSTER_KEEP"):
            print(f"the logs are in {cls.folder}")
        else:
            shutil.rmtree(cls.folder, True)

    @classmethod
    def start_nodes(cls):
        cls.machines = Machines(cls.folder / "nodes", images(cls.processes.target), cls.hosts)
        cls.relays.open("10.96.0.1", 443, lambda: [("127.0.0.1", cls.plane.port)], has_address=False)
        cls.nodes = [Node(cls.machines, cls.plane.client(f"system:node:{name}"), name, *node_parts(name, zone))
                     for name, zone in zip(NODES, ZONES)]
        cls.addClassCleanup(cls.stop_nodes)
        cls.relays.listeners.append(cls.renew_hosts)
        for number in range(4):
            cls.api.create("/api/v1/persistentvolumes", volume(f"disk-{number}", cls.folder / f"disk-{number}"))

    @classmethod
    def stop_nodes(cls):
        cls.machines.over.set()
        for node in cls.nodes:
            node.stop()

    @classmethod
    def hosts(cls, pod):
        """What the cluster's DNS would tell a pod."""
        lines = ["127.0.0.1 localhost", f"{pod.ip} {pod.title}"]
        for service in cls.relays.services.all():
            meta, address = service["metadata"], service["spec"].get("clusterIP")
            if meta["namespace"] == pod.space and address not in (None, "None"):
                lines.append(f"{address} {meta['name']} {meta['name']}.{pod.space} {meta['name']}.{pod.space}.svc.cluster.local")
        return "\n".join(lines) + "\n"

    @classmethod
    def renew_hosts(cls):
        for pod in (pod for node in cls.nodes for pod in list(node.pods.values())):
            if pod.process is not None:
                pod.write("hosts", cls.hosts(pod))

    @classmethod
    def rehearse(cls):
        """Rehearsal providers on loopback, which pods reach by the gateway."""
        providers = Providers(cls.processes, "rehearsal")
        cls.provided = {}
        for name, value in providers.env.items():
            if value.startswith("http://127.0.0.1:"):
                cls.relays.let_out(int(value.split(":")[2].split("/")[0]))
                value = value.replace("127.0.0.1", "10.244.0.1")
            cls.provided[name] = value

    @classmethod
    def deploy(cls):
        cls.secret = secrets.token_hex(32)
        keys = {"livekit-url": "", "livekit-api-key": "", "livekit-api-secret": "", "redis-url": "redis://voice-redis:6379",
                "deepgram-api-key": cls.provided["DEEPGRAM_API_KEY"], "openai-api-key": cls.provided["OPENAI_API_KEY"],
                "cartesia-api-key": cls.provided["CARTESIA_API_KEY"]}
        for name, values in (("voice-secrets", keys), ("voice-secrets-optional", {"AUTH_JWT_SECRET": cls.secret})):
            cls.api.create("/api/v1/namespaces/default/secrets", {"metadata": {"name": name}, "stringData": values})
        cls.kubectl("apply", "--validate=strict", "-f", "-", stdin=cls.manifests())
        until("the agents are available", lambda: cls.available() == cls.wanted(), 120)

    @classmethod
    def manifests(cls):
        """The overlay, with settings of the rehearsal and nothing else changed."""
        with tempfile.TemporaryDirectory(dir=K8S, prefix=".test-") as name:
            settings = SIGNED | CHAINS | {key: value for key, value in cls.provided.items() if key.endswith("BASE_URL")}
            lines = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
                     "resources": [os.path.relpath(K8S / cls.overlay, name)],
                     "components": [os.path.relpath(K8S / "components" / cls.component, name)] if cls.component else [],
                     "patches": [{"patch": yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", "data": settings,
                                                           "metadata": {"name": "voice-agent-config"}})}]}
            Path(name, "kustomization.yaml").write_text(yaml.safe_dump(lines), encoding="utf-8")
            return cls.kubectl("kustomize", name).stdout

    @classmethod
    def config(cls):
        return built(cls.overlay)["ConfigMap", "voice-agent-config"]["data"]

    # What the tests ask.

    @classmethod
    def deployment(cls):
        return cls.api.get("/apis/apps/v1/namespaces/default/deployments/voice-agent")

    @classmethod
    def wanted(cls):
        return cls.deployment()["spec"]["replicas"]

    @classmethod
    def available(cls):
        status = cls.deployment()["status"]
        return status.get("availableReplicas", 0) if status.get("replicas") == status.get("updatedReplicas") else -1

    @classmethod
    def agents(cls):
        """The agents' pods that are not on their way out."""
        return [pod for pod in cls.api.get(PODS_PATH, labelSelector=AGENTS)["items"] if "deletionTimestamp" not in pod["metadata"]]

    @classmethod
    def pod(cls, name):
        """The node's side of a pod."""
        return next(pod for node in cls.nodes for pod in list(node.pods.values()) if pod.title == name)

    @classmethod
    def ready_endpoints(cls):
        return [address for address, _ in cls.relays.endpoints("default", "voice-agent", "http")]

    @classmethod
    def door(cls):
        return cls.api.get("/api/v1/namespaces/default/services/voice-agent")["spec"]["clusterIP"], 8080

    def crowd(self, count, pace=8.0):
        config = self.config()
        crowd = Crowd(self.door(), config["PUBLIC_URL"].removeprefix("https://"),
                      lambda user: bearer(self.secret, config["AUTH_JWT_ISSUER"], config["AUTH_JWT_AUDIENCE"], user),
                      self.processes.target / "voice-sim", self.folder, count, pace)
        self.addCleanup(crowd.hang_up.set)
        return crowd

    def tearDown(self):
        self.assertEqual(self.machines.problems, [], "the node's own faults")
