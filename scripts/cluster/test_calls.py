"""Calls while their pods come and go: the release binary in pods, with the manifests' probes, signals and periods of grace."""

import json
import signal
import time
import unittest

import yaml

from drill_parts import fetch, until
from manifests import K8S
from ours import PODS_PATH, OurCluster
from pace import WHOLE

CALLS = 12 if WHOLE else 8
# Seconds of talk before something happens, and after it.
TALK = 15 if WHOLE else 9
AGENT = K8S / "base/voice-agent-deployment.yaml"


def percentile(values, share):
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] if values else None


class CallsTest(OurCluster):
    def gone(self, name, longest=90):
        until(f"{name} is gone", lambda: self.machines.times("gone", name), longest)

    def between(self, pod, first, last):
        return self.machines.times(last, pod)[-1] - self.machines.times(first, pod)[-1]

    def busiest(self):
        """The pod that has most of the calls."""
        def sessions(pod):
            text = fetch(f"http://{pod['status']['podIP']}:9090/metrics")[1]
            return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("voice_agent_active_sessions "))
        return max(self.agents(), key=sessions)["metadata"]["name"]

    def report(self, what, crowd, **more):
        losses = crowd.losses()
        gaps = [round(1000 * (loss["back"] - loss["at"])) for loss in losses if loss["back"]]
        found = {"calls": len(crowd.callers), "connections lost": len(losses), "gap P50 ms": percentile(gaps, 0.5),
                 "gap longest ms": max(gaps, default=None), "codes": sorted({loss["code"] for loss in losses}),
                 "tasks acknowledged": sum(len(caller.added) for caller in crowd.callers),
                 "I'm back": sum(caller.backs for caller in crowd.callers), **more}
        print(f"\n{what}: {json.dumps(found)}", flush=True)

    def all_back(self, crowd):
        return all(loss["back"] for loss in crowd.losses())

    def test_a_pod_is_what_its_manifest_asks_for(self):
        for thing in self.agents():
            pod = self.pod(thing["metadata"]["name"])
            status = dict(line.split(":\t", 1) for line in open(f"/proc/{pod.process.pid}/status", encoding="utf-8").read().splitlines()
                          if ":\t" in line)
            self.assertEqual(status["Uid"].split(), ["65532"] * 4)
            self.assertEqual((int(status["CapEff"], 16), int(status["CapBnd"], 16), status["NoNewPrivs"]), (0, 0, "1"))
            for place, may in (("/", False), ("/usr", False), ("/image", False), ("/tmp", True), ("/var/lib/voice-agent", True)):
                self.assertEqual(pod.execute(["touch", f"{place}/here"], 5), may, place)
            environment = open(f"/proc/{pod.process.pid}/environ", encoding="utf-8").read()
            # A Service named like a setting's section would be one.
            self.assertNotIn("VOICE_REDIS_", environment)
            self.assertFalse(pod.execute(["test", "-e", "/var/run/secrets/kubernetes.io"], 5))
            order = [what for _, name, what in self.machines.diary if name == pod.title]
            self.assertEqual(order[:3], ["started", "has started", "readinessProbe passes"])
            # Nothing was started again but what a test here killed.
            self.assertEqual(thing["status"]["containerStatuses"][0]["restartCount"], order.count("exited with 137"))
        self.assertEqual(len({thing["spec"]["nodeName"] for thing in self.agents()}), 3)
        self.assertEqual(len(self.ready_endpoints()), 3)

    def test_a_pod_deleted_in_mid_call_hands_its_calls_over(self):
        crowd = self.crowd(CALLS)
        time.sleep(TALK)
        victim = self.busiest()
        self.kubectl("delete", "pod", victim, "--wait=false")
        until("it is told to end", lambda: self.machines.times("SIGTERM", victim), 30)
        until("readiness fails", lambda: fetch(f"http://{self.pod(victim).ip}:8080/health/ready")[0] in (503, 0), 3)
        self.assertNotIn(self.pod(victim).ip, self.ready_endpoints())
        self.gone(victim)
        until("everybody is back", lambda: self.all_back(crowd), 30)
        time.sleep(TALK)
        wrong = crowd.stop()
        self.report("a pod deleted in mid-call", crowd, wrong=wrong, **{
            "SIGTERM to exit s": round(self.between(victim, "SIGTERM", "exited with 0"), 1)})
        self.assertEqual(wrong, [])
        self.assertGreater(len(crowd.losses()), 0)
        self.assertEqual({loss["code"] for loss in crowd.losses()}, {4007})
        self.assertGreaterEqual(self.between(victim, "preStop", "SIGTERM"), 5)
        self.assertFalse(self.machines.times("SIGKILL", victim))
        until("three are available again", lambda: self.available() == 3, 60)

    def test_a_rolling_restart_cuts_nobody(self):
        crowd = self.crowd(CALLS)
        time.sleep(TALK)
        before, began = {pod["metadata"]["name"] for pod in self.agents()}, time.monotonic()
        self.kubectl("rollout", "restart", "deployment/voice-agent")
        least, end = 3, time.monotonic() + 240
        while time.monotonic() < end and not (self.available() == 3 and all(self.machines.times("gone", name) for name in before)):
            least = min(least, len(self.ready_endpoints()))
            time.sleep(0.1)
        took = time.monotonic() - began
        self.kubectl("rollout", "status", "deployment/voice-agent", "--timeout=5s")
        time.sleep(TALK)
        wrong = crowd.stop()
        self.report("a rolling restart", crowd, wrong=wrong, **{"took s": round(took), "fewest endpoints": least})
        self.assertEqual(wrong, [])
        self.assertGreaterEqual(len(crowd.losses()), CALLS)
        self.assertEqual({loss["code"] for loss in crowd.losses()}, {4007})
        self.assertEqual(least, 3)
        self.assertFalse([name for name in before if self.machines.times("SIGKILL", name)])

    def test_scaling_down_cuts_nobody(self):
        self.kubectl("scale", "deployment/voice-agent", "--replicas=4")
        until("four are available", lambda: self.available() == 4, 60)
        crowd = self.crowd(CALLS)
        time.sleep(TALK)
        before = {pod["metadata"]["name"] for pod in self.agents()}
        self.kubectl("scale", "deployment/voice-agent", "--replicas=3")
        until("one is gone", lambda: [name for name in before if self.machines.times("gone", name)], 90)
        time.sleep(TALK)
        wrong = crowd.stop()
        self.report("scaled down by one", crowd, wrong=wrong)
        self.assertEqual(wrong, [])
        self.assertLessEqual({loss["code"] for loss in crowd.losses()}, {4007})

    def test_a_killed_process_is_started_again_and_its_callers_come_back(self):
        crowd = self.crowd(CALLS)
        time.sleep(TALK)
        victim = self.busiest()
        self.pod(victim).process.send_signal(signal.SIGKILL)
        until("everybody is back", lambda: crowd.losses() and self.all_back(crowd), 30)
        path = f"{PODS_PATH}/{victim}"
        until("it runs again", lambda: self.api.get(path)["status"]["containerStatuses"][0]["ready"], 60)
        wrong = [line for line in crowd.stop() if "I'm back" not in line]
        self.report("a process killed in mid-call", crowd, wrong=wrong)
        self.assertEqual(wrong, [])
        self.assertEqual(self.api.get(path)["status"]["containerStatuses"][0]["restartCount"], 1)

    def alone(self, space, text):
        """One deployment in a namespace of its own, and nothing else: its store is its own disk."""
        self.api.create("/api/v1/namespaces", {"metadata": {"name": space}})
        self.addCleanup(self.kubectl, "delete", "namespace", space, "--wait=false")
        until("its service account", lambda: self.api.find(f"/api/v1/namespaces/{space}/serviceaccounts/default"))
        self.kubectl("apply", "-n", space, "-f", "-", stdin=text)

    def give_secret(self, space):
        keys = self.api.get("/api/v1/namespaces/default/secrets/voice-secrets")["data"]
        self.api.create(f"/api/v1/namespaces/{space}/secrets", {"metadata": {"name": "voice-secrets"}, "data": keys | {"redis-url": ""}})

    def containers(self, space):
        """What is told of the containers of a namespace, each with its pod's name."""
        return [each | {"pod": pod["metadata"]["name"]} for pod in self.api.get(f"/api/v1/namespaces/{space}/pods")["items"]
                for each in pod["status"].get("containerStatuses", [])]

    def test_a_process_that_stands_still_is_killed_by_its_liveness_probe(self):
        manifest = yaml.safe_load(AGENT.read_text(encoding="utf-8"))
        spec = manifest["spec"]["template"]["spec"]
        manifest["spec"]["replicas"] = 1
        if not WHOLE:
            # The manifest's own timings would take two minutes; how often a probe has to fail is left as it is.
            spec["terminationGracePeriodSeconds"] = 10
            for name in ("livenessProbe", "readinessProbe"):
                spec["containers"][0][name] |= {"initialDelaySeconds": 1, "periodSeconds": 1, "timeoutSeconds": 1}
        grace = spec["terminationGracePeriodSeconds"]
        self.alone("still", yaml.safe_dump(manifest))
        self.give_secret("still")

        def ready(restarts):
            return next((each for each in self.containers("still") if each["ready"] and each["restartCount"] == restarts), None)
        victim = until("it is ready", lambda: ready(0), 60)["pod"]
        process = self.pod(victim).process
        process.send_signal(signal.SIGSTOP)
        self.addCleanup(lambda: process.poll() is None and process.send_signal(signal.SIGCONT))
        until("it is not ready", lambda: not ready(0), 60)
        until("it is killed", lambda: self.machines.times("SIGKILL", victim), 150)
        self.assertTrue(self.machines.times("livenessProbe fails", victim))
        # preStop and the grace period were kept for a process that may yet wake up.
        self.assertGreaterEqual(self.between(victim, "preStop", "SIGTERM"), 5)
        self.assertGreaterEqual(self.between(victim, "preStop", "SIGKILL"), grace)
        until("it is ready again", lambda: ready(1), 60)

    def test_a_deployment_waits_for_its_secret(self):
        self.alone("bare", AGENT.read_text(encoding="utf-8"))

        def waiting():
            return [each for each in self.containers("bare") if "voice-secrets" in str(each["state"].get("waiting", {}))]
        until("all three wait", lambda: len(waiting()) == 3, 30)
        # Nothing else is needed.
        self.give_secret("bare")
        until("all three are ready", lambda: sum(each["ready"] for each in self.containers("bare")) == 3, 60)


if __name__ == "__main__":
    unittest.main()
