"""The brief's autoscaler, on the processor, by a real controller and metrics-server; kwok's pods use what they are told to use."""

import threading
import time
import unittest

from api import ApiError
from drill_parts import until
from fakes import FakeCluster
from manifests import K8S
from pace import DOWN, SHARE, WHOLE, Pace, quicken
from served import serve_metrics
from test_apply import AGENTS

HPA = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
# All calls together, in thousandths of a core: at 70 % of half a core for each replica.
BUSY, QUIET = 3850, 400
# What that comes to, with the tenth that the controller tolerates: 3850 / 350.
MANY = range(10, 13)


class Load(threading.Thread):
    """Divides the load among the pods that there are, as a balancer would."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster, self.total, self.over = cluster, BUSY, threading.Event()

    def run(self):
        while not self.over.wait(2):
            pods = self.cluster.pods(AGENTS)
            usage = {"kwok.x-k8s.io/usage-cpu": f"{self.total // max(len(pods), 1)}m", "kwok.x-k8s.io/usage-memory": "120Mi"}
            for pod in pods:
                if pod["metadata"].get("annotations", {}).get("kwok.x-k8s.io/usage-cpu") != usage["kwok.x-k8s.io/usage-cpu"]:
                    self.tell(pod["metadata"]["name"], usage)

    def tell(self, name, usage):
        try:
            self.cluster.api.patch(f"/api/v1/namespaces/default/pods/{name}", {"metadata": {"annotations": usage}})
        except ApiError as error:
            # It was taken away meanwhile.
            if error.status != 404:
                raise


class ScalingTest(FakeCluster):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        serve_metrics(cls.plane)
        cls.kubectl("apply", "-f", "deploy/k8s/voice-secrets.example.yaml")
        cls.kubectl("apply", "-k", K8S / "overlays/us-east-1")
        until("three agents run", lambda: len(cls.pods(AGENTS)) == 3, 60)
        behavior = cls.api.get(f"{HPA}/voice-agent-hpa")["spec"]["behavior"]
        cls.api.patch(f"{HPA}/voice-agent-hpa", {"spec": {"behavior": quicken(behavior)}})

    def conditions(self, name):
        return {each["type"]: each for each in self.api.get(f"{HPA}/{name}")["status"].get("conditions", [])}

    def test_the_processor_scales_it_up_and_down_at_the_briefs_pace(self):
        load = Load(self)
        load.start()
        self.addCleanup(load.over.set)
        pace = Pace(lambda: self.deployment()["spec"]["replicas"])
        many = pace.until(lambda count: count in MANY, 420)
        until("all of them run", lambda: len(self.pods(AGENTS)) >= many, 60)
        self.assertTrue({"ScalingActive", "AbleToScale"} <= {kind for kind, each in self.conditions("voice-agent-hpa").items()
                                                             if each["status"] == "True"})
        load.total, quiet = QUIET, time.monotonic() - pace.began
        # All the way down takes a quarter of an hour at the brief's pace; the first two steps show it.
        pace.until(lambda count: count <= (2 if WHOLE else 6), (DOWN[2] + 8 * DOWN[1]) / SHARE + 60)
        print(f"\nthe autoscaler on the processor: {pace.told()}", flush=True)
        self.assertEqual(pace.wrong(), [])
        fell = next(at for (_, before), (at, count) in zip(pace.steps, pace.steps[1:]) if count < before)
        self.assertGreater(fell - quiet, DOWN[2] / SHARE)

    def test_a_second_autoscaler_stops_both(self):
        """What `one HPA at a time` is for: Kubernetes refuses to choose between two."""
        other = self.api.get(f"{HPA}/voice-agent-hpa")
        self.api.create(HPA, {"metadata": {"name": "another"}, "spec": other["spec"]})
        self.addCleanup(self.kubectl, "delete", "hpa", "another")

        def ambiguous():
            condition = self.conditions("voice-agent-hpa").get("ScalingActive", {})
            return condition.get("reason") == "AmbiguousSelector" and condition["message"]
        self.assertIn("another", until("both are stopped", ambiguous, 90))


if __name__ == "__main__":
    unittest.main()
