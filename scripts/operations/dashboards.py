#!/usr/bin/env python3
"""Writes the tables of docs/dashboards.md from the dashboards: scripts/operations/dashboards.py --write (or prints them)."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"), reverse=True)
DOCUMENT = ROOT / "docs/dashboards.md"
BEGIN, END = "<!-- tables: scripts/operations/dashboards.py --write -->\n", "<!-- end -->\n"
TYPES = {"timeseries": "graph", "bargauge": "bar chart", "state-timeline": "state timeline"}


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def thresholds(panel):
    """`green, orange from 0.8, red from 1`, or a dash."""
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    if len(steps) < 2:
        return "–"
    return ", ".join(step["color"] + (f" from {step['value']:g}" if step["value"] is not None else "") for step in steps)


def kind(panel):
    stacked = panel["fieldConfig"]["defaults"].get("custom", {}).get("stacking", {}).get("mode") == "normal"
    return TYPES.get(panel["type"], panel["type"]) + (", stacked" if stacked else "")


def row(panel):
    queries = "<br>".join("`" + target["expr"].replace("|", "\\|") + "`" for target in panel["targets"])
    unit = panel["fieldConfig"]["defaults"].get("unit", "–")
    return f"| {panel['title']} | {queries} | {kind(panel)} | {unit} | {thresholds(panel)} |\n"


def tables():
    text = ""
    for path in FILES:
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        text += f"\n## {dashboard['title']}\n\n[{path.name}](../{path.relative_to(ROOT)}). {dashboard['description']}\n"
        for panel in dashboard["panels"]:
            if panel["type"] == "row":
                text += f"\n### {panel['title']}\n\n| Panel | Query | Type | Unit | Thresholds |\n|---|---|---|---|---|\n"
            else:
                text += row(panel)
    return text + "\n"


def main():
    if "--write" not in sys.argv:
        print(tables(), end="")
        return
    before, rest = DOCUMENT.read_text(encoding="utf-8").split(BEGIN)
    DOCUMENT.write_text(before + BEGIN + tables() + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
