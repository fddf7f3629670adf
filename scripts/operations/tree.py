"""What the tests of deploy/ share: where things are, and what the binary exports."""

import re
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
BRIEF = Path(__file__).resolve().parent / "brief"
RUNBOOKS = ROOT / "docs/runbooks"

# Series that others export: Prometheus itself and the blackbox exporter.
OUTSIDE = {"up", "ALERTS", "probe_success", "probe_ssl_earliest_cert_expiry"}
# What of PromQL names no series: words in quotes, matchers, ranges, lists of labels. Then functions, which have a bracket behind them, and operators.
NAMELESS = re.compile(r"\"[^\"]*\"|'[^']*'|\[[^\]]*\]|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
NAME = re.compile(r"(?<![\w:.])[A-Za-z_:][\w:]*\b(?!\s*\()")
OPERATORS = {"and", "or", "unless", "bool", "offset", "by", "without", "atan2", "inf", "nan", "group_left", "group_right"}


def load(path):
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def documents(path):
    return [document for document in yaml.safe_load_all(Path(path).read_text(encoding="utf-8")) if document]


@cache
def rules():
    """Every rule of Prometheus, alerts and recorded ones."""
    groups = [group for path in sorted(DEPLOY.glob("prometheus/rules/*.yaml")) for group in load(path)["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def alerts():
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


@cache
def exported():
    """The metrics' names and types. A test of the binary holds the table against what it exports."""
    table = (ROOT / "docs/metrics.md").read_text(encoding="utf-8").split("## Every metric\n", 1)[1].split("\n## ", 1)[0]
    return dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", table, re.MULTILINE))


@cache
def recorded():
    return {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}


def family(name, metrics):
    """The metric that a series belongs to."""
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return base if metrics.get(base) == "histogram" else name


def names(expression):
    """Every series that an expression names, whoever exports it; promtool knows none, and takes each."""
    rest = re.sub(r"\{[^}]*\}", "", NAMELESS.sub("", expression))
    return {name for name in NAME.findall(rest) if name.lower() not in OPERATORS}


def used(expression):
    """The metrics of the binary, and of others, behind an expression; what is recorded is followed."""
    metrics, found = exported(), set()
    for name in names(expression):
        found |= used(recorded()[name]) if name in recorded() else {family(name, metrics)}
    return found
