"""The cluster's scrape configuration. Debian's Prometheus is built without Kubernetes, so pods are given to it in a file, with the
labels that Kubernetes' discovery would give them; the relabelling is then the real one."""

import json
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

from tree import DEPLOY, load

POD = {
    "__meta_kubernetes_pod_annotation_prometheus_io_scrape": "true",
    "__meta_kubernetes_pod_annotation_prometheus_io_port": "9090",
    "__meta_kubernetes_pod_annotation_prometheus_io_path": "/metrics",
    "__meta_kubernetes_pod_label_app": "task-manager-voice",
    "__meta_kubernetes_pod_label_component": "agent",
    "__meta_kubernetes_pod_phase": "Running",
    "__meta_kubernetes_namespace": "voice",
    "__meta_kubernetes_pod_name": "voice-agent-6d8f9b7c44-abc12",
    "__meta_kubernetes_node_label_topology_kubernetes_io_region": "us-east-1",
}


class ScrapeTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.pods = Path(self.folder.name) / "pods.json"
        self.config = load(DEPLOY / "prometheus/prometheus.yaml")
        job = next(job for job in self.config["scrape_configs"] if job["job_name"] == "pods")
        self.discovery = job.pop("kubernetes_sd_configs")
        job["file_sd_configs"] = [{"files": [str(self.pods)]}]
        self.config["rule_files"] = [str(DEPLOY / "prometheus" / name) for name in self.config["rule_files"]]
        for name in ("voice", "livekit"):
            probe = next(job for job in self.config["scrape_configs"] if job["job_name"].startswith(f"{name}-"))
            probe["file_sd_configs"][0]["files"] = [str(DEPLOY / f"prometheus/targets/{name}-*.yaml")]
        self.path = Path(self.folder.name) / "prometheus.yaml"
        self.path.write_text(yaml.safe_dump(self.config), encoding="utf-8")

    def found(self, job):
        # It always waits for as long as it may; on a busy machine a second is too short now and then.
        for timeout in ("1s", "5s", "20s"):
            command = ["promtool", "check", "service-discovery", f"--timeout={timeout}", str(self.path), job]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            if targets := json.loads(output):
                return [target["labels"] for target in targets if target.get("labels")]
        self.fail(f"{job} discovers nothing")

    def scraped(self, *pods, ports=("8080", "9090")):
        """The targets that come of pods, each with all its declared ports."""
        groups = [{"targets": [f"10.0.0.{number}:{port}"], "labels": {**POD, **pod}}
                  for number, pod in enumerate(pods, start=1) for port in ports]
        self.pods.write_text(json.dumps(groups), encoding="utf-8")
        return {(labels["__address__"], labels["job"], labels.get("region", ""), labels["__metrics_path__"])
                for labels in self.found("pods")}

    def test_the_rest_of_the_configuration_is_valid(self):
        self.assertEqual(self.discovery, [{"role": "pod", "attach_metadata": {"node": True}}])
        command = ["promtool", "check", "config", "--lint=all", "--lint-fatal", str(self.path)]
        result = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_a_pod_is_scraped_once_at_its_annotated_port_with_its_region(self):
        self.assertEqual(self.scraped({}), {("10.0.0.1:9090", "voice-agent", "us-east-1", "/metrics")})

    def test_a_pods_own_port_and_path_are_honoured(self):
        other = {"__meta_kubernetes_pod_annotation_prometheus_io_port": "9121",
                 "__meta_kubernetes_pod_annotation_prometheus_io_path": "/scrape",
                 "__meta_kubernetes_pod_label_app": "voice-redis", "__meta_kubernetes_pod_label_component": ""}
        self.assertEqual(self.scraped(other), {("10.0.0.1:9121", "pods", "us-east-1", "/scrape")})

    def test_pods_without_the_annotation_or_that_are_over_are_left_alone(self):
        scrape = "__meta_kubernetes_pod_annotation_prometheus_io_scrape"
        self.assertEqual(self.scraped({scrape: ""}, {scrape: "false"}, {"__meta_kubernetes_pod_phase": "Succeeded"}), set())

    def test_the_probes_ask_the_exporter_for_the_public_address(self):
        target = self.found("voice-agent-probe")[0]
        self.assertEqual((target["__address__"], target["__metrics_path__"]), ("blackbox-exporter:9115", "/probe"))
        self.assertEqual(target["instance"], target["__param_target"])
        self.assertTrue(target["instance"].startswith("https://") and target["instance"].endswith("/health/ready"))
        self.assertTrue(target["region"])

    def test_every_module_that_is_asked_for_exists(self):
        modules = load(DEPLOY / "prometheus/blackbox.yaml")["modules"]
        for job in self.config["scrape_configs"]:
            for module in job.get("params", {}).get("module", []):
                self.assertIn(module, modules)


if __name__ == "__main__":
    unittest.main()
