"""Every manifest, taken and carried out by a real API server with its controllers, on the brief's three nodes."""

import json
import time
import unittest

from api import ApiError
from drill_parts import until
from fakes import ZONES, FakeCluster
from manifests import K8S
from tree import documents

AGENTS = "app=task-manager-voice,component=agent"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments/voice-agent"
WORKLOADS = {"us-east-1": ("default", 3, 2), "us-west-2": ("default", 2, 2), "staging": ("voice-staging", 2, 1)}


def singles():
    """Every file that is applied as it is, in the order of a listing."""
    return [path for path in sorted(K8S.rglob("*.yaml")) if path.name != "kustomization.yaml"
            and path.parent.name in ("base", "k8s", "monitoring")]


def names(path):
    return sorted((thing["kind"], thing["metadata"]["name"]) for thing in documents(path))


class ApplyTest(FakeCluster):
    def namespace(self, name, **labels):
        self.api.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        until("its service account", lambda: self.api.find(f"/api/v1/namespaces/{name}/serviceaccounts/default"))
        self.addCleanup(self.kubectl, "delete", "namespace", name, "--wait=true")

    def test_the_server_takes_every_file_singly(self):
        count = 0
        for path in singles():
            with self.subTest(path.name):
                done = self.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", path)
                self.assertNotIn("Warning", done.stderr)
                self.assertEqual(done.stdout.count("(server dry run)"), len(names(path)))
                count += 1
        self.assertGreater(count, 12)

    def test_the_server_takes_every_kustomization(self):
        for folder in ["base", "overlays/us-east-1", "overlays/us-west-2", "monitoring"]:
            with self.subTest(folder):
                done = self.kubectl("apply", "--dry-run=server", "--validate=strict", "-k", K8S / folder)
                self.assertNotIn("Warning", done.stderr)

    def test_a_wrong_field_would_be_refused(self):
        text = (K8S / "base/voice-agent-deployment.yaml").read_text(encoding="utf-8").replace("livenessProbe:", "livenessProb:")
        done = self.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('unknown field "spec.template.spec.containers[0].livenessProb"', done.stderr)

    def test_files_applied_singly_come_up(self):
        self.namespace("singly", **{"pod-security.kubernetes.io/enforce": "restricted"})
        for path in singles():
            if path.parent.name != "monitoring":
                self.apply("-f", path, namespace="singly")
        until("three agents run", lambda: len(self.pods(AGENTS, "singly")) == 3, 60)
        self.wait_for_stores("singly", 2)

    def test_overlays_come_up(self):
        for overlay, (namespace, agents, stores) in WORKLOADS.items():
            with self.subTest(overlay):
                if overlay == "staging":
                    self.kubectl("apply", "-f", K8S / "overlays/staging/namespace.yaml")
                self.secrets(namespace)
                self.kubectl("apply", "--validate=strict", "-k", K8S / "overlays" / overlay)
                self.looks_right(namespace, agents, stores)
                self.take_away(f"overlays/{overlay}", namespace)

    def looks_right(self, namespace, agents, stores):
        def available():
            status = self.deployment(namespace)["status"]
            return status.get("availableReplicas") == agents and status.get("updatedReplicas") == agents
        until(f"{agents} agents are available", available, 60)
        self.wait_for_stores(namespace, stores)
        sets = self.api.get(f"/apis/apps/v1/namespaces/{namespace}/replicasets")["items"]
        self.assertEqual([owner["name"] for each in sets for owner in each["metadata"]["ownerReferences"]], ["voice-agent"])
        pods = self.pods(AGENTS, namespace)
        # Its own machine for each, in a zone of its own.
        self.assertEqual(len({pod["spec"]["nodeName"] for pod in pods}), min(agents, len(ZONES)))
        self.assertFalse([pod for pod in pods if "serviceAccountToken" in json.dumps(pod["spec"]["volumes"])])
        slices = self.api.get(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices",
                              labelSelector="kubernetes.io/service-name=voice-agent")["items"]
        ports = {(port["name"], port["port"]) for each in slices for port in each["ports"]}
        self.assertEqual(ports, {("http", 8080), ("metrics", 9090)})
        until("all are in the service", lambda: self.endpoints(namespace) == agents)

        def budget():
            status = self.api.get(f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/voice-agent")["status"]
            return (status.get("expectedPods"), status.get("disruptionsAllowed")) == (agents, 1)
        until("the budget counts them", budget)

    def endpoints(self, namespace):
        slices = self.api.get(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices",
                              labelSelector="kubernetes.io/service-name=voice-agent")["items"]
        return sum(bool(end["conditions"]["ready"]) for each in slices for end in each.get("endpoints") or [])

    def wait_for_stores(self, namespace, count):
        until(f"{count} stores run", lambda: len(self.pods("app in (voice-redis,voice-redis-replica)", namespace)) == count, 60)
        claims = self.api.get(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims")["items"]
        self.assertEqual({claim["status"]["phase"] for claim in claims}, {"Bound"})
        nodes = {pod["spec"]["nodeName"] for pod in self.pods("app in (voice-redis,voice-redis-replica)", namespace)}
        self.assertEqual(len(nodes), count, "the replica is not on the primary's node")


class StagingTest(FakeCluster):
    def setUp(self):
        self.kubectl("apply", "-f", K8S / "overlays/staging/namespace.yaml")
        self.secrets("voice-staging")
        self.kubectl("apply", "-k", K8S / "overlays/staging")
        until("two agents run", lambda: len(self.pods(AGENTS, "voice-staging")) == 2, 60)
        self.path = "/api/v1/namespaces/voice-staging"

    def pod(self, name, **container):
        guard = {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]},
                 "seccompProfile": {"type": "RuntimeDefault"}}
        return {"metadata": {"name": name}, "spec": {"containers": [
            {"name": "one", "image": "example.com/one:v1", "securityContext": guard, **container}]}}

    def refused(self, path, thing):
        with self.assertRaises(ApiError) as raised:
            self.api.create(path, thing)
        self.assertEqual(raised.exception.status, 403)
        return raised.exception.body

    def test_unguarded_pods_are_refused(self):
        said = self.refused(f"{self.path}/pods", self.pod("bold", securityContext={"privileged": True}))
        self.assertIn("restricted", said)

    def test_a_pod_that_says_nothing_gets_the_ranges_defaults_and_none_more_than_its_most(self):
        made = self.api.create(f"{self.path}/pods?dryRun=All", self.pod("modest"))
        self.assertEqual(made["spec"]["containers"][0]["resources"],
                         {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "200m", "memory": "128Mi"}})
        said = self.refused(f"{self.path}/pods", self.pod("greedy", resources={"limits": {"cpu": "2", "memory": "1Gi"}}))
        self.assertIn("maximum cpu usage per Container is 1", said)

    def test_the_quota_holds_four_agents_and_a_rollout_and_no_more(self):
        deployment = f"/apis/apps/v1{self.path.removeprefix('/api/v1')}/deployments/voice-agent"
        self.api.patch(deployment, {"spec": {"replicas": 4}})
        self.kubectl("delete", "hpa", "voice-agent-hpa", "-n", "voice-staging")
        until("four agents run", lambda: len(self.pods(AGENTS, "voice-staging")) == 4, 60)
        self.kubectl("rollout", "restart", "deployment/voice-agent", "-n", "voice-staging")
        self.kubectl("rollout", "status", "deployment/voice-agent", "-n", "voice-staging", "--timeout=90s")
        self.api.patch(deployment, {"spec": {"replicas": 9}})

        def refused():
            conditions = self.api.get(deployment)["status"]["conditions"]
            return [each["message"] for each in conditions if each["type"] == "ReplicaFailure" and "exceeded quota" in each["message"]]
        self.assertIn("voice-staging", until("the quota refuses the rest", refused, 60)[0])
        self.assertEqual(len(self.pods(AGENTS, "voice-staging")), 5)
        balancer = {"metadata": {"name": "door"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"a": "b"}}}
        self.assertIn("services.loadbalancers", self.refused(f"{self.path}/services", balancer))


class DisruptionTest(FakeCluster):
    @classmethod
    def tearDownClass(cls):
        cls.take_away("overlays/us-east-1")

    def setUp(self):
        self.secrets()
        self.kubectl("apply", "-k", K8S / "overlays/us-east-1")
        self.kubectl("delete", "hpa", "voice-agent-hpa")
        self.settle(3)

    def settle(self, count):
        self.api.patch(DEPLOYMENTS, {"spec": {"replicas": count}})

        def settled():
            status = self.deployment()["status"]
            budget = self.api.get("/apis/policy/v1/namespaces/default/poddisruptionbudgets/voice-agent")["status"]
            return (status.get("availableReplicas") == status.get("replicas") == count and budget.get("disruptionsAllowed") == 1
                    and budget.get("currentHealthy") == count and not budget.get("disruptedPods"))
        until(f"{count} agents, and the budget knows", settled, 90)

    def evict(self, pod):
        name = pod["metadata"]["name"]
        self.api.create(f"/api/v1/namespaces/default/pods/{name}/eviction",
                        {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}})

    def test_the_budget_gives_one_and_refuses_the_second(self):
        first, second, _ = self.pods(AGENTS)
        self.evict(first)
        with self.assertRaises(ApiError) as raised:
            self.evict(second)
        self.assertEqual(raised.exception.status, 429)
        self.assertIn("disruption budget", raised.exception.body)
        # With its successor there, the next may go.
        self.settle(3)
        self.evict(self.pods(AGENTS)[0])

    def test_a_node_is_drained_one_agent_at_a_time(self):
        self.settle(9)
        place = self.pods(AGENTS)[0]["spec"]["nodeName"]
        here = sum(pod["spec"]["nodeName"] == place for pod in self.pods(AGENTS))
        self.assertEqual(here, 3)
        self.addCleanup(self.kubectl, "uncordon", place)
        done = self.kubectl("drain", place, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
        self.assertIn("drained", done.stdout)
        self.settle(9)
        self.assertNotIn(place, {pod["spec"]["nodeName"] for pod in self.pods(AGENTS)})

    def test_twenty_fit_spread_over_the_zones_and_a_rollout_never_has_fewer(self):
        self.settle(20)
        count = sorted(sum(pod["spec"]["nodeName"].endswith(str(at)) for pod in self.pods(AGENTS)) for at in (1, 2, 3))
        self.assertEqual(count, [6, 7, 7])
        before = {pod["metadata"]["name"] for pod in self.pods(AGENTS)}
        self.kubectl("rollout", "restart", "deployment/voice-agent")
        most, least, end = 0, 20, time.monotonic() + 180
        while time.monotonic() < end:
            status = self.deployment()["status"]
            most, least = max(most, status["replicas"]), min(least, status.get("availableReplicas", 0))
            if status.get("updatedReplicas") == 20 == status["replicas"] and status["observedGeneration"] > 1 \
                    and not before & {pod["metadata"]["name"] for pod in self.pods(AGENTS)}:
                break
            time.sleep(0.05)
        self.assertFalse(before & {pod["metadata"]["name"] for pod in self.pods(AGENTS)}, "the rollout came to its end")
        self.assertEqual((most, least), (21, 20))
        self.assertFalse(self.pods("", phase="Pending"))


if __name__ == "__main__":
    unittest.main()
