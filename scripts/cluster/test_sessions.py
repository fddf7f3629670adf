"""The autoscaler on live sessions: real instances, the manifests' Prometheus with its own discovery, and the manifests' rule in an adapter."""

import json
import shutil
import threading
import unittest
import urllib.parse

from callers import bearer
from drill_parts import fetch, until
from manifests import K8S
from ours import OurCluster
from pace import WHOLE, Pace, quicken
from served import serve_custom_metrics

RULES = K8S / "components/hpa-sessions/prometheus-adapter.yaml"
HPA = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/voice-agent-hpa"
# Of 200 that an instance takes: 180 on each of three are 540, which is five instances at 120.
MANY, WANTED = 540, 5


class Visitors(threading.Thread):
    """Keeps so many sessions alive: nobody is in them, but each is one of those that an instance takes."""

    def __init__(self, cluster, config):
        super().__init__(daemon=True)
        self.cluster, self.config, self.goal, self.over = cluster, config, 0, threading.Event()
        self.number, self.refused = 0, 0
        self.door = cluster.door()

    def live(self):
        texts = [fetch(f"http://{pod['status']['podIP']}:9090/metrics")[1] for pod in self.cluster.agents() if pod["status"].get("podIP")]
        return sum(int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith("voice_agent_active_sessions "))

    def run(self):
        while not self.over.wait(0.5):
            for _ in range(min(self.goal - self.live(), 40)):
                self.number += 1
                config = self.config
                token = bearer(self.cluster.secret, config["AUTH_JWT_ISSUER"], config["AUTH_JWT_AUDIENCE"], f"visitor-{self.number}")
                status, _ = fetch(f"http://{self.door[0]}:{self.door[1]}/api/sessions", b'{"channel": "browser", "time_zone": "UTC"}',
                                  {"Host": config["PUBLIC_URL"].removeprefix("https://"), "Content-Type": "application/json",
                                   "Authorization": f"Bearer {token}"})
                self.refused += status not in (200, 201)


@unittest.skipUnless(shutil.which("adapter") and shutil.which("prometheus"), "the adapter or Prometheus was not built")
class SessionsTest(OurCluster):
    component = "hpa-sessions"

    @classmethod
    def deploy(cls):
        super().deploy()
        cls.kubectl("apply", "--validate=strict", "-k", K8S / "monitoring")
        cls.prometheus = cls.api.get("/api/v1/namespaces/default/services/prometheus")["spec"]["clusterIP"]
        until("Prometheus scrapes three agents", lambda: len(cls.ask('up{job="voice-agent"} == 1')) == 3, 120)
        serve_custom_metrics(cls.plane, f"http://{cls.prometheus}:9090", RULES)

    @classmethod
    def ask(cls, query):
        status, body = fetch(f"http://{cls.prometheus}:9090/api/v1/query?{urllib.parse.urlencode({'query': query})}")
        return json.loads(body)["data"]["result"] if status == 200 else []

    def test_prometheus_in_the_cluster_finds_the_pods_by_their_annotations(self):
        found, names = [each["metric"] for each in self.ask("voice_ready")], {pod["metadata"]["name"] for pod in self.agents()}
        self.assertEqual({each["pod"] for each in found}, names)
        self.assertEqual({(each["namespace"], each["region"], each["job"]) for each in found}, {("default", "us-east1", "voice-agent")})
        # Each pod has two ports, and is one target.
        self.assertEqual(len(found), 3)
        rules = json.loads(fetch(f"http://{self.prometheus}:9090/api/v1/rules")[1])["data"]["groups"]
        self.assertGreater(sum(len(group["rules"]) for group in rules), 50)
        self.assertFalse([rule["name"] for group in rules for rule in group["rules"] if rule["health"] == "err"])

    def test_the_autoscaler_follows_live_sessions(self):
        served = self.api.get("/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/*/voice_agent_active_sessions")
        self.assertEqual(len(served["items"]), 3)
        visitors = Visitors(self, self.config())
        visitors.start()
        self.addCleanup(visitors.over.set)
        pace = Pace(lambda: self.deployment()["spec"]["replicas"])
        # With nobody there it falls to its least after five minutes; before that, they come.
        self.assertEqual(pace.note(), 3)
        visitors.goal = MANY
        until("they are there", lambda: visitors.live() >= MANY - 20, 120)
        # Not before: with nobody there the quickened one would have taken an instance away.
        self.api.patch(HPA, {"spec": {"behavior": quicken(self.api.get(HPA)["spec"]["behavior"])}})
        pace.until(lambda count: count >= WANTED, 240)
        until("all of them are available", lambda: self.available() == WANTED, 120)
        status = self.api.get(HPA)["status"]
        print(f"\nthe autoscaler on sessions: {pace.told()}; {json.dumps(status['currentMetrics'])}; refused {visitors.refused}", flush=True)
        self.assertEqual(status["currentMetrics"][0]["pods"]["metric"]["name"], "voice_agent_active_sessions")
        self.assertEqual(visitors.refused, 0)
        if WHOLE:
            visitors.goal = 0
            pace.until(lambda count: count == 2, 1200)
            print(f"\nand down again: {pace.told()}", flush=True)
        self.assertEqual(pace.wrong(), [])


if __name__ == "__main__":
    unittest.main()
