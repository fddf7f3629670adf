"""A cluster of kwok's nodes: the brief's three machines, whose pods are there for the API server only."""

import shutil
import tempfile
import unittest
from pathlib import Path

from drill_parts import Processes, free_port, until
from manifests import K8S
from plane import Plane

# An n2-standard-4 as GKE leaves it: of 4 cores and 16 GiB.
CPU, MEMORY, PODS = "3920m", "13619Mi", "110"
# What is left of a boot disk of 100 GB.
DISK = "44Gi"
SIZE = {"capacity": {"cpu": "4", "memory": "16Gi", "pods": PODS, "ephemeral-storage": "94Gi"},
        "allocatable": {"cpu": CPU, "memory": MEMORY, "pods": PODS, "ephemeral-storage": DISK}}
# What GKE's own pods of a node are assumed to ask for (docs/kubernetes.md).
SYSTEM_CPU, SYSTEM_MEMORY = "200m", "1Gi"
REGION = "us-east1"
ZONES = ["us-east1-b", "us-east1-c", "us-east1-d"]
STAGES = ["stage/node/fast/node-initialize.yaml", "stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
          "stage/pod/fast/pod-ready.yaml", "stage/pod/fast/pod-complete.yaml", "stage/pod/fast/pod-delete.yaml",
          "metrics/resource/metrics-resource.yaml", "metrics/usage/usage-from-annotation.yaml"]


def node(name, zone, port):
    return {"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name,
                         "annotations": {"kwok.x-k8s.io/node": "fake",
                                         "metrics.k8s.io/resource-metrics-path": f"/metrics/nodes/{name}/metrics/resource"},
                         "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
                                    "node.kubernetes.io/instance-type": "n2-standard-4",
                                    "topology.kubernetes.io/region": REGION, "topology.kubernetes.io/zone": zone}},
            "status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}],
                       "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
                       **SIZE}}


def system_pods():
    """What the cloud runs on every node."""
    labels = {"app": "the-clouds-own"}
    resources = {"requests": {"cpu": SYSTEM_CPU, "memory": SYSTEM_MEMORY}}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "the-clouds-own"},
            "spec": {"selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "all", "image": "example.com/all:v1", "resources": resources}]}}}}


def volume(name, path):
    """A volume that any claim of ten gibibytes may have."""
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {"capacity": {"storage": "20Gi"}, "accessModes": ["ReadWriteOnce"], "persistentVolumeReclaimPolicy": "Retain",
                     "hostPath": {"path": str(path)}}}


class FakeCluster(unittest.TestCase):
    """A control plane and the brief's three nodes, for all tests of a module."""

    plane = None

    @classmethod
    def setUpClass(cls):
        if FakeCluster.plane is None:
            FakeCluster.start()

    @staticmethod
    def start():
        it = FakeCluster
        it.folder = Path(tempfile.mkdtemp(prefix="voice-cluster-"))
        unittest.addModuleCleanup(it.forget)
        it.processes = Processes(it.folder, ".")
        unittest.addModuleCleanup(it.processes.stop_all)
        it.plane = Plane(it.processes).start()
        it.api, it.kubectl = it.plane.api, it.plane.kubectl
        it.start_nodes()

    @staticmethod
    def forget():
        FakeCluster.plane = None
        shutil.rmtree(FakeCluster.folder, True)

    @classmethod
    def start_nodes(cls):
        port, files = free_port(), Path(shutil.which("kwok")).parent / "kustomize"
        cls.processes.start("kwok", [
            "kwok", f"--kubeconfig={cls.plane.folder}/kwok.kubeconfig", "--manage-all-nodes=false",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake", "--node-ip=127.0.0.1", f"--node-port={port}",
            f"--server-address=127.0.0.1:{port}", "--cidr=10.244.0.1/16", "--node-lease-duration-seconds=40",
            f"--tls-cert-file={cls.plane.folder}/server.crt", f"--tls-private-key-file={cls.plane.folder}/server.key",
            *[f"--config={files}/{stage}" for stage in STAGES]])
        for index, zone in enumerate(ZONES):
            cls.api.create("/api/v1/nodes", node(f"n2-standard-4-{index + 1}", zone, port))
        until("three nodes are ready", lambda: cls.ready_nodes() == len(ZONES), 60)
        cls.api.create("/apis/apps/v1/namespaces/kube-system/daemonsets", system_pods())
        # Two for each time that the manifests are applied.
        for number in range(12):
            cls.api.create("/api/v1/persistentvolumes", volume(f"disk-{number}", cls.folder / f"disk-{number}"))
        until("the cloud's own pods run", lambda: len(cls.pods("app=the-clouds-own", "kube-system")) == len(ZONES), 60)

    @classmethod
    def ready_nodes(cls):
        return sum(condition["status"] == "True" for each in cls.api.get("/api/v1/nodes")["items"]
                   for condition in each["status"].get("conditions", []) if condition["type"] == "Ready")

    @classmethod
    def pods(cls, selector, namespace="default", phase="Running"):
        """The pods that run, or are in another phase, and are not on their way out."""
        listed = cls.api.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)["items"]
        return [pod for pod in listed if pod["status"].get("phase") == phase and "deletionTimestamp" not in pod["metadata"]]

    @classmethod
    def deployment(cls, namespace="default", name="voice-agent"):
        return cls.api.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}")

    @classmethod
    def take_away(cls, kustomization, namespace="default"):
        """All of it, to the last pod. Volumes of claims that are gone are nobody's from then on."""
        cls.kubectl("delete", "-k", K8S / kustomization, "--wait=true", "--ignore-not-found")
        cls.kubectl("delete", "pvc", "--all", "-n", namespace, "--ignore-not-found")
        until("nothing is left", lambda: not cls.api.get(f"/api/v1/namespaces/{namespace}/pods")["items"], 60)

    def apply(self, *words, namespace="default"):
        """kubectl apply, which must not warn of anything."""
        done = self.kubectl("apply", "--validate=strict", "-n", namespace, *words)
        self.assertNotIn("Warning", done.stderr)
        return done.stdout

    def secrets(self, namespace="default"):
        self.apply("-f", "deploy/k8s/voice-secrets.example.yaml", namespace=namespace)
