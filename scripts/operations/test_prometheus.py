"""Rules, their tests, and who is told."""

import subprocess
import unittest

from tree import BRIEF, DEPLOY, OUTSIDE, alerts, exported, load, recorded, rules, used

TESTS = sorted(DEPLOY.glob("prometheus/tests/*.yaml"))


def route(**labels):
    """The receivers of an alert with these labels."""
    config = DEPLOY / "prometheus/alertmanager.yaml"
    command = ["amtool", "config", "routes", "test", f"--config.file={config}"]
    pairs = [f"{name}={value}" for name, value in labels.items()]
    return subprocess.run([*command, *pairs], check=True, capture_output=True, text=True).stdout.strip()


class PrometheusTest(unittest.TestCase):
    def test_the_briefs_alerts_are_as_it_has_them(self):
        self.assertEqual(load(DEPLOY / "prometheus/rules/voice-alerts.yaml"), load(BRIEF / "voice-alerts.yaml"))

    def test_every_alert_says_what_it_is(self):
        for name, alert in alerts().items():
            self.assertRegex(name, r"^Voice[A-Z]")
            self.assertIn(alert["labels"]["severity"], {"critical", "warning", "none"}, name)
            self.assertLessEqual({"summary", "description"}, set(alert["annotations"]), name)

    def test_every_metric_of_a_rule_is_exported(self):
        known = set(exported()) | OUTSIDE
        for rule in rules():
            name = rule.get("alert") or rule["record"]
            self.assertLessEqual(used(rule["expr"]), known, name)

    def test_every_alert_is_tested_firing_and_not_firing(self):
        fires, silent = set(), set()
        for path in TESTS:
            for test in load(path)["tests"]:
                for case in test.get("alert_rule_test", []):
                    (fires if case["exp_alerts"] else silent).add(case["alertname"])
        self.assertEqual(fires, set(alerts()))
        # The watchdog is the one that never stops.
        self.assertEqual(silent, set(alerts()) - {"VoiceWatchdog"})

    def test_an_ordinary_evening_is_silent_for_every_alert(self):
        cases = load(DEPLOY / "prometheus/tests/ordinary.yaml")["tests"][0]["alert_rule_test"]
        self.assertEqual({case["alertname"] for case in cases}, set(alerts()) - {"VoiceWatchdog"})
        self.assertTrue(all(case["exp_alerts"] == [] for case in cases))

    def test_every_recorded_series_is_used_or_tested(self):
        text = "".join(path.read_text(encoding="utf-8") for path in TESTS)
        text += "".join(rule["expr"] for rule in rules())
        self.assertEqual([name for name in recorded() if name not in text and not name.endswith("ratio_rate30d")], [])

    def test_critical_alerts_page_and_everything_reaches_the_webhook(self):
        for name, alert in alerts().items():
            wanted = {"critical": "pagerduty,webhook", "warning": "webhook", "none": "watchdog"}
            severity = alert["labels"]["severity"]
            self.assertEqual(route(alertname=name, severity=severity), wanted[severity], name)

    def test_what_is_inhibited_exists(self):
        for rule in load(DEPLOY / "prometheus/alertmanager.yaml")["inhibit_rules"]:
            for matcher in [*rule["source_matchers"], *rule["target_matchers"]]:
                for name in matcher.split('"')[1].split("|"):
                    self.assertIn(name, alerts())

    def test_no_secret_stands_in_the_configuration(self):
        text = (DEPLOY / "prometheus/alertmanager.yaml").read_text(encoding="utf-8")
        self.assertIn("routing_key_file:", text)
        self.assertNotIn("routing_key:", text)


if __name__ == "__main__":
    unittest.main()
