"""The dashboards: Grafana's types, the queries, and that panels, alerts and metrics know of each other."""

import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

import dashboards
from tree import DEPLOY, OUTSIDE, ROOT, alerts, exported, load, names, used

ALL = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in dashboards.FILES}
# The brief's table of panels. Where it has words instead of a query, the words' metrics must be there.
BRIEF = {
    "Latency P95": "histogram_quantile(0.95, rate(voice_latency_seconds_bucket[5m]))",
    "Latency Breakdown": None,
    "Cost Per Call": "rate(voice_cost_per_call_usd_sum[1h]) / rate(voice_cost_per_call_usd_count[1h])",
    "Daily Cost": "sum(increase(voice_cost_per_call_usd_sum[24h]))",
    "Active Sessions": "sum(voice_agent_active_sessions)",
    "Error Rate": "rate(voice_transcription_errors_total[5m])",
    "Session Outcomes": "sum by (outcome)(increase(voice_session_duration_seconds_count[1h]))",
}


def panels():
    return [(name, panel) for name, dashboard in ALL.items() for panel in dashboards.panels(dashboard)]


def queries(panel):
    return [target["expr"] for target in panel["targets"]]


def filled(expression):
    """A query as Grafana sends it, with every variable at All."""
    return re.sub(r"\$(channel|region)", ".*", expression)


def announced(panel):
    """The alerts that a panel's description names."""
    found = re.search(r" Alerts: ([\w, ]+)\.$", panel["description"])
    return found.group(1).split(", ") if found else []


class DashboardsTest(unittest.TestCase):
    def typed(self, files):
        """What the compiler says of these dashboards."""
        tsc = ROOT / "web/node_modules/.bin/tsc"
        self.assertTrue(tsc.exists(), "needs TypeScript: scripts/web.sh install")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "node_modules").symlink_to(Path(os.environ["OPERATIONS_FOLDER"]) / "node_modules")
            (folder / "dashboard.ts").write_text((DEPLOY / "grafana/types/dashboard.ts").read_text(encoding="utf-8"))
            for file, dashboard in files.items():
                text = f"import type {{ Checked }} from './dashboard';\nexport const checked: Checked = {json.dumps(dashboard)};\n"
                (folder / file).with_suffix(".ts").write_text(text, encoding="utf-8")
            options = ["--noEmit", "--strict", "--skipLibCheck", "--preserveSymlinks", "--module", "esnext",
                       "--moduleResolution", "bundler"]
            sources = [str(path) for path in folder.glob("*.ts")]
            return subprocess.run([str(tsc), *options, *sources], capture_output=True, text=True)

    def test_the_files_are_what_grafana_takes(self):
        result = self.typed(ALL)
        self.assertEqual(result.returncode, 0, result.stdout[:4000])

    def test_what_grafana_does_not_know_is_found(self):
        option, mode = (json.loads(json.dumps(ALL["voice-operations.json"])) for _ in range(2))
        dashboards.panels(option)[0]["options"]["colourMode"] = "value"
        dashboards.panels(mode)[0]["options"]["graphMode"] = "curve"
        result = self.typed({"option.json": option, "mode.json": mode})
        self.assertRegex(result.stdout, r"option\.ts.*'\"colourMode\"' does not exist")
        self.assertRegex(result.stdout, r"mode\.ts.*error")

    def test_every_query_parses(self):
        rules = [{"record": f"panel:{number}", "expr": filled(query)}
                 for number, query in enumerate(query for _, panel in panels() for query in queries(panel))]
        self.assertGreater(len(rules), 80)
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}, file)
            file.flush()
            result = subprocess.run(["promtool", "check", "rules", file.name], capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertNotIn("$", "".join(rule["expr"] for rule in rules))

    def test_the_briefs_panels_have_its_titles_and_queries(self):
        found = {panel["title"]: queries(panel) for panel in dashboards.panels(ALL["voice-operations.json"])}
        for title, query in BRIEF.items():
            if query is not None:
                self.assertEqual(found[title][0], query, title)
        stages = [used(query).pop() for query in found["Latency Breakdown"]]
        self.assertEqual(stages, [f"voice_{stage}_duration_seconds" for stage in ("stt", "llm", "tts")])
        rows = [panel["title"] for panel in ALL["voice-operations.json"]["panels"] if panel["type"] == "row"]
        self.assertEqual(rows, ["Key metrics", "Latency", "Cost", "Sessions"])

    def test_every_metric_of_a_panel_is_exported(self):
        known = set(exported()) | OUTSIDE
        for name, panel in panels():
            for query in queries(panel):
                self.assertLessEqual(used(filled(query)), known, f"{name}: {panel['title']}")

    def test_every_name_of_an_expression_is_seen(self):
        expression = ('sum by (channel, le) (rate(voice_x_bucket{region=~"up|down"}[5m:1m] offset 1h)) / on (region) group_left (version) '
                      'redis_up > bool 1e9 and ALERTS{alertname="up"} or job:other:rate5m unless (up == Inf)')
        self.assertEqual(names(expression), {"voice_x_bucket", "redis_up", "ALERTS", "job:other:rate5m", "up"})

    def test_only_a_page_without_tls_has_a_panel_that_may_be_empty(self):
        # `voice-agent validate` takes any other words than these for what an empty panel means.
        said = {panel["title"]: panel["fieldConfig"]["defaults"].get("noValue", "no data") for _, panel in panels()}
        self.assertEqual([title for title, says in said.items() if says != "no data"], ["Certificate"])

    def test_every_exported_metric_is_watched_or_its_absence_has_a_reason(self):
        watched = set().union(*(used(filled(query)) for _, panel in panels() for query in queries(panel)))
        watched |= set().union(*(used(alert["expr"]) for alert in alerts().values()))
        section = (ROOT / "docs/metrics.md").read_text(encoding="utf-8").split("## On no panel and in no alert\n", 1)[1]
        excused = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|$", section, re.MULTILINE))
        self.assertTrue(all(reason.strip() for reason in excused.values()))
        self.assertEqual(set(exported()) - watched, set(excused))

    def test_every_alert_has_a_panel_that_shows_what_it_is_about(self):
        shown = {}
        for _, panel in panels():
            for name in announced(panel):
                self.assertIn(name, alerts(), panel["title"])
                metrics = set().union(*(used(filled(query)) for query in queries(panel)))
                about = used(alerts()[name]["expr"])
                self.assertTrue(not about or metrics & about, f"{panel['title']} shows nothing of {name}")
                shown[name] = panel
        self.assertEqual(set(shown), set(alerts()))

    def test_panels_do_not_overlap_and_have_what_a_reader_needs(self):
        for name, dashboard in ALL.items():
            taken, ids = set(), [panel["id"] for panel in dashboard["panels"]]
            self.assertEqual(len(ids), len(set(ids)), name)
            for panel in dashboard["panels"]:
                place = panel["gridPos"]
                self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
                cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                         for y in range(place["y"], place["y"] + place["h"])}
                self.assertFalse(taken & cells, f"{name}: {panel['title']} overlaps")
                taken |= cells
            for panel in dashboards.panels(dashboard):
                self.assertTrue(panel["description"], panel["title"])
                if panel["type"] != "state-timeline" and panel["type"] != "table":
                    self.assertIn("unit", panel["fieldConfig"]["defaults"], panel["title"])

    def test_the_variables_are_channel_and_region(self):
        for name, dashboard in ALL.items():
            found = [variable["name"] for variable in dashboard["templating"]["list"]]
            self.assertEqual(found, ["datasource", "channel", "region"], name)

    def test_the_provisioning_finds_them(self):
        source = load(DEPLOY / "grafana/provisioning/datasources/prometheus.yaml")["datasources"][0]
        self.assertEqual((source["type"], source["isDefault"]), ("prometheus", True))
        provider = load(DEPLOY / "grafana/provisioning/dashboards/voice-agent.yaml")["providers"][0]
        self.assertEqual((provider["type"], provider["allowUiUpdates"]), ("file", False))

    def test_the_document_has_every_panel(self):
        text = dashboards.DOCUMENT.read_text(encoding="utf-8")
        self.assertIn(dashboards.BEGIN + dashboards.tables() + dashboards.END, text,
                      "run scripts/operations/dashboards.py --write")


if __name__ == "__main__":
    unittest.main()
