"""Runbooks: a page for each alert, its parts, and that every command in them could be carried out."""

import json
import re
import shlex
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import yaml

import kubectl
from commands import commands, expressions, stages
from manifests import K8S, built
from test_manifests import OUTSIDE_APPS
from tree import OUTSIDE, ROOT, RUNBOOKS, alerts, documents, exported, used

SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation", "Verification", "Escalation"]
# The brief's six questions are among them.
INCIDENT = ["Symptoms", "Detection", "Failover", "Cost impact", "Latency impact", "User experience", "What to do", "Recovery",
            "Verification", "Escalation"]
# The brief's five incidents, and the two of OpenAI.
INCIDENTS = {"deepgram-outage", "cartesia-outage", "redis-failure", "livekit-outage", "regional-outage", "openai-outage",
             "openai-rate-limited"}
TOOLS = {"kubectl", "curl", "make", "voice-agent", "grep", "wc", "POD=$(kubectl"}
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(RUNBOOKS.glob("*.md"))}
CONTRACT = ROOT / "crates/voice-agent/tests/it/real/snapshots/it__real__contract__the_outside_is_as_it_was.snap"
OUTSIDE_ENV = {"PROMETHEUS_URL", "ADMIN_TOKEN", "POD", "NODE", "ALERTS", "MISCONF", "ERROR", "KEY", "REDIS_URL"}


def contract():
    return json.loads(CONTRACT.read_text(encoding="utf-8").split("\n---\n", 1)[1])


def sources():
    folders = ("crates/voice-agent/src", "crates/voice-core/src", "crates/voice-sim/src")
    return "".join(path.read_text(encoding="utf-8") for folder in folders for path in sorted((ROOT / folder).rglob("*.rs")))


def slug(heading):
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


class RunbooksTest(unittest.TestCase):
    def each(self):
        for page, text in PAGES.items():
            for command in commands(text):
                yield page, command

    def test_every_alert_has_a_page_and_every_page_its_alert_or_incident(self):
        incidents = {f"incident-{name}" for name in INCIDENTS}
        self.assertEqual(set(PAGES), set(alerts()) | incidents | {"README"})
        for name in set(PAGES) - {"README"}:
            self.assertIn(f"]({name}.md)", PAGES["README"])

    def test_pages_have_their_parts_in_order(self):
        for name, text in PAGES.items():
            found = re.findall(r"^## (.+)$", text, re.MULTILINE)
            if name in alerts():
                self.assertEqual(found, SECTIONS, name)
                severity = alerts()[name]["labels"]["severity"]
                self.assertIn(f"`{severity}`", text.split("## ")[0], name)
            elif name != "README":
                self.assertEqual([part for part in found if part in INCIDENT], INCIDENT, name)
            for part in text.split("\n## ")[1:]:
                self.assertGreater(len(part.split("\n", 1)[1].strip()), 4, f"{name}: {part[:30]}")

    def test_they_are_short(self):
        for name, text in PAGES.items():
            self.assertLess(len(text.splitlines()), 130, name)

    def test_every_tool_is_one_that_an_on_call_has(self):
        count = 0
        for page, command in self.each():
            for stage in stages(command):
                count += 1
                self.assertIn(stage[0], TOOLS, f"{page}: {command}")
        self.assertGreater(count, 150)

    def test_every_make_target_and_its_options_exist(self):
        targets = re.findall(r"^([a-z -]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        known = {name for line in targets for name in line.split()}
        options = sources()
        for page, command in self.each():
            words = shlex.split(command)
            if words[0] == "make":
                self.assertIn(words[1], known, f"{page}: {command}")
                for option in re.findall(r"--([a-z]+)", " ".join(words[2:])):
                    self.assertRegex(options, rf"\b{option}\b", f"{page}: {command}")

    def test_every_option_of_our_own_command_exists(self):
        call = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "crates/voice-agent/src/cli").rglob("*.rs"))
        for page, command in self.each():
            words = shlex.split(command)
            if "--" in words:
                # In a pod as here.
                words = words[words.index("--") + 1:]
            if words[0] == "voice-agent":
                words = words[1:]
                self.assertIn(words[0], {"call", "check-config", "region"}, page)
                verbs = [word for word in words[1:2] if words[0] == "region"]
                for verb in verbs:
                    self.assertRegex(call, rf"\b{verb.title()} *[{{,]", f"{page}: {command}")
                for option in (word[2:] for word in words if word.startswith("--")):
                    self.assertIn(f" {option.replace('-', '_')}: ", call, f"{page}: {command}")

    def test_every_setting_exists(self):
        variables = set(contract()["environment"])
        for page, command in self.each():
            words = shlex.split(command)
            if words[:3] == ["kubectl", "set", "env"]:
                self.assertEqual(words[3], "deployment/voice-agent", page)
                for word in words[4:]:
                    name = re.match(r"[A-Z0-9_]+", word).group()
                    self.assertIn(name, variables | {"KEY"}, f"{page}: {command}")
        keys = set(variables) | {name.removesuffix("_FILE") for name in variables}
        for page, text in PAGES.items():
            for name in re.findall(r"`([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)(?:=[^`]*)?`", text):
                self.assertIn(name, keys | OUTSIDE_ENV, page)
            for section, key in re.findall(r"`([a-z_]+)\.([a-z_0-9]+)`", text):
                self.assertIn(f"{section}_{key}".upper(), keys, page)

    def test_every_path_is_served(self):
        routes = set(contract()["routes"]) | {"/", "/metrics"}
        for page, command in self.each():
            for path in re.findall(r"(?:localhost:8080|voice[\w-]*\.example\.com)(/[^\s?\"']*)", command):
                self.assertIn(path, routes, f"{page}: {command}")

    def test_every_query_parses_and_asks_for_what_is_exported(self):
        queries = [(page, query) for page, command in self.each() for query in expressions(command)]
        self.assertGreater(len(queries), 60)
        for page, query in queries:
            self.assertLessEqual(used(query), set(exported()) | OUTSIDE, f"{page}: {query}")
        rules = [{"record": f"page:{number}", "expr": query} for number, (_, query) in enumerate(queries)]
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump({"groups": [{"name": "pages", "rules": rules}]}, file)
            file.flush()
            result = subprocess.run(["promtool", "check", "rules", file.name], capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_every_line_of_the_log_that_is_looked_for_is_written(self):
        written, count = sources(), 0
        for page, command in self.each():
            for stage in stages(command):
                if stage[0] == "grep":
                    count += 1
                    self.assertIn(f'"{stage[1]}"', written, f"{page}: {command}")
        self.assertGreater(count, 5)

    def test_every_kubectl_command_has_a_verb_and_flags_of_its_own(self):
        for page, command in self.each():
            for words in (stage for stage in stages(command) if stage[0] == "kubectl"):
                self.assertEqual(kubectl.parsed(words)[3], [], f"{page}: {command}")

    def test_a_wrong_kubectl_command_is_found(self):
        for command, problem in {
            "kubectl logs deployment/voice-agent --sinc=2h": "--sinc is no flag of logs",
            "kubectl get pods --replicas=2": "--replicas is no flag of get",
            "kubectl scale deployment/voice-agent --replicas": "--replicas has no value",
            "kubectl exec voice-redis-0 redis-cli ping": "-- has to stand before the command",
            "kubectl rollout revert deployment/voice-agent": "rollout revert deployment/voice-agent is no verb",
            "kubectl delete pod": "delete of what?",
        }.items():
            self.assertEqual(kubectl.parsed(command.split())[3], [problem], command)
        good = ["kubectl", "--context", "us-west-2", "exec", "voice-redis-0", "--", "redis-cli", "--scan"]
        self.assertEqual(kubectl.parsed(good), ("exec", ["voice-redis-0"], {"--context": "us-west-2"}, []))

    def test_every_object_of_a_kubectl_command_is_one_of_the_manifests(self):
        objects = {**built("overlays/us-east-1"), **built("monitoring")}
        sets = {name for kind, name in objects if kind == "StatefulSet"}
        known = set(objects) | {("Secret", thing["metadata"]["name"]) for thing in documents(K8S / "voice-secrets.example.yaml")}
        # What an Ingress names is made by hand, or by cert-manager.
        known |= {("Secret", tls["secretName"]) for (kind, _), thing in objects.items() if kind == "Ingress" for tls in thing["spec"]["tls"]}
        known |= {("Deployment", name) for name in OUTSIDE_APPS}
        count = 0
        for page, command in self.each():
            for words in (stage for stage in stages(command) if stage[0] == "kubectl"):
                verb, given, flags, _ = kubectl.parsed(words)
                if verb == "apply" and "-k" in flags:
                    self.assertTrue((ROOT / flags["-k"] / "kustomization.yaml").exists(), f"{page}: {command}")
                if not given or "-" in given:
                    continue
                for kind, name in kubectl.targets(verb, given):
                    where = f"{page}: {command}"
                    if "/" not in given[0] and verb in {"get", "delete", "describe", "patch"}:
                        self.assertIn(kind, kubectl.KINDS, where)
                    if not name or kubectl.is_variable(name):
                        continue
                    count += 1
                    if kubectl.long(kind) == "Pod":
                        self.assertIn(re.sub(r"-\d+$", "", name), sets, where)
                    else:
                        self.assertIn((kubectl.long(kind), name), known, where)
        self.assertGreater(count, 150)

    def test_every_link_leads_to_a_heading(self):
        for page, text in PAGES.items():
            for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", text):
                other = (RUNBOOKS / target) if target else RUNBOOKS / f"{page}.md"
                headings = re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), re.MULTILINE)
                self.assertIn(anchor, {slug(heading) for heading in headings}, f"{page}: {target}#{anchor}")

    def test_every_command_to_redis_is_taken_by_a_real_one(self):
        wanted = {tuple(words[words.index("redis-cli") + 1:])
                  for _, command in self.each() for words in stages(command) if "redis-cli" in words}
        self.assertGreater(len(wanted), 8)
        with tempfile.TemporaryDirectory() as name:
            socket = str(Path(name) / "redis.sock")
            server = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", socket, "--dir", name,
                                       "--appendonly", "yes"], stdout=subprocess.DEVNULL)
            try:
                for _ in range(200):
                    if subprocess.run(["redis-cli", "-s", socket, "ping"], capture_output=True).returncode == 0:
                        break
                    time.sleep(0.05)
                for words in sorted(wanted):
                    result = subprocess.run(["redis-cli", "-s", socket, *words], capture_output=True, text=True, timeout=20)
                    self.assertEqual(result.returncode, 0, words)
                    self.assertNotRegex(result.stdout, r"^(\(error\) )?(ERR|WRONG)", " ".join(words))
            finally:
                server.kill()
                server.wait()


if __name__ == "__main__":
    unittest.main()
