"""The alert drill changes nothing of a rule but its durations, and leaves no alert out."""

import json
import unittest

from demo_production import SCREEN, SETTINGS
from drill_alerts import SCENARIOS
from drill_parts import DRILL_FOR, DRILL_WINDOW, WINDOW, shortened
from test_runbooks import contract
from tree import DEPLOY, ROOT, alerts, load

GROUPS = [group for path in sorted(DEPLOY.glob("prometheus/rules/*.yaml")) for group in load(path)["groups"]]


def without_durations(group):
    rules = [rule | {"expr": WINDOW.sub("[…]", rule["expr"])} | ({"for": "…"} if "for" in rule else {})
             for rule in group["rules"]]
    return group | {"rules": rules}


class DrillTest(unittest.TestCase):
    def test_only_windows_and_for_are_shortened(self):
        for group in GROUPS:
            before, short = json.dumps(group), shortened(group)
            self.assertEqual(json.dumps(group), before)
            self.assertEqual(without_durations(short), without_durations(group))
            for rule in short["rules"]:
                self.assertEqual(set(WINDOW.findall(rule["expr"])) - {DRILL_WINDOW}, set())
                self.assertEqual(rule.get("for", DRILL_FOR), DRILL_FOR)

    def test_the_demo_sets_what_is_a_setting(self):
        self.assertLessEqual(set(SETTINGS), set(contract()["environment"]))
        # What the rehearsed model asks of a screen is what the recorded picture has on it.
        page = (ROOT / "web/e2e/pages/issue.html").read_text(encoding="utf-8")
        self.assertIn("Refund", page)
        self.assertEqual([call["name"] for rule in SCREEN for call in rule["calls"]], ["look_at_screen", "add_task"])

    def test_every_alert_has_a_scenario(self):
        provoked = [alert for _, expected, _ in SCENARIOS.values() for alert in expected]
        self.assertEqual(sorted(provoked), sorted(alerts()))


if __name__ == "__main__":
    unittest.main()
