"""Which Redis takes changes: what the runbooks do about it outlives a restart, on a real Redis with the manifests' own commands."""

import json
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from commands import commands, stages
from manifests import K8S, OVERLAYS, built, pods, with_component, without_component
from tree import RUNBOOKS, load

EAST, WEST = OVERLAYS[:2]
REGIONS = (RUNBOOKS / "incident-regional-outage.md").read_text(encoding="utf-8")
STORE = (RUNBOOKS / "incident-redis-failure.md").read_text(encoding="utf-8")


def command(objects, name="voice-redis"):
    return pods(objects)[name]["spec"]["containers"][0]["command"]


def told(words, option):
    """The words behind an option, up to the next one."""
    at = words.index(option) + 1
    end = next((index for index in range(at, len(words)) if words[index].startswith("--")), len(words))
    return words[at:end]


def lines_of(page, part):
    """The commands of a part of a page, in their order."""
    return commands(page.split(f"\n## {part}\n", 1)[1].split("\n## ", 1)[0])


def patched(words, operations):
    """A container's command, after a JSON patch of its workload."""
    words, folder = list(words), "/spec/template/spec/containers/0/command/"
    for each in operations:
        index = int(each["path"].removeprefix(folder))
        if each["op"] == "test":
            assert words[index] == each["value"], each
        else:
            assert each["op"] == "replace", each
            words[index] = each["value"]
    return words


class Redis:
    """A real one, which is started again and again on what it left."""

    def __init__(self, test):
        folder = tempfile.TemporaryDirectory()
        test.addCleanup(folder.cleanup)
        test.addCleanup(self.stop)
        self.folder, self.server = Path(folder.name), None

    def start(self, words):
        self.stop()
        self.server = subprocess.Popen([*words, "--port", "0", "--unixsocket", str(self.folder / "socket"), "--dir", str(self.folder)],
                                       stdout=subprocess.DEVNULL)
        return self.role()

    def stop(self):
        if self.server is not None:
            self.server.kill()
            self.server.wait()

    def ask(self, *words):
        for _ in range(200):
            done = subprocess.run(["redis-cli", "-s", str(self.folder / "socket"), *words], capture_output=True, text=True)
            if done.returncode == 0 and "LOADING" not in done.stdout:
                return done.stdout.strip()
            time.sleep(0.05)
        raise TimeoutError(f"no answer to {words}")

    def role(self):
        return self.ask("role").split()[0]


class RolesTest(unittest.TestCase):
    def test_a_role_outlives_a_restart_only_by_the_manifest(self):
        standby, promoted = command(built(WEST)), command(without_component(WEST, "follows-us-east-1"))
        self.assertEqual(promoted, command(built(EAST)))
        redis = Redis(self)
        self.assertEqual(redis.start(standby), "slave")
        redis.ask("replicaof", "no", "one")
        redis.ask("set", "voice:tasks:ada", "1")
        self.assertEqual(redis.role(), "master")
        # What step 2 of the runbook is for.
        self.assertEqual(redis.start(standby), "slave")
        self.assertEqual(redis.start(promoted), "master")
        self.assertEqual(redis.ask("get", "voice:tasks:ada"), "1")
        self.assertEqual(redis.start(command(with_component(EAST, "follows-us-west-2"))), "slave")

    def test_each_region_follows_the_other_under_a_name_of_its_own(self):
        following = {"us-east-1": command(with_component(EAST, "follows-us-west-2")), "us-west-2": command(built(WEST))}
        for region, words in following.items():
            other = next(each for each in following if each != region)
            self.assertEqual(told(words, "--replicaof"), [f"voice-redis.{other}.example.com", "6379"])
            self.assertEqual(told(words, "--replica-announce-ip"), [f"voice-redis.{region}.example.com"])
        self.assertNotIn("components", load(K8S / EAST / "kustomization.yaml"))
        # The second copy beside a primary is at the same port: only the name tells them apart.
        self.assertEqual(told(command(built(WEST), "voice-redis-replica"), "--replicaof"), ["voice-redis", "6379"])

    def test_the_promotion_is_made_to_last_at_once_and_the_failback_too(self):
        steps = [line for line in lines_of(REGIONS, "What to do") if "region status" not in line]
        at = next(index for index, line in enumerate(steps) if "region promote" in line)
        self.assertIn("--context us-west-2 apply -k deploy/k8s/overlays/us-west-2", steps[at + 1])
        # To apply the overlay sets the autoscaler back, so that it is raised afterwards.
        self.assertGreater(next(index for index, line in enumerate(steps) if "minReplicas" in line), at + 1)
        steps = lines_of(REGIONS, "Recovery")
        follow, failback = (next(index for index, line in enumerate(steps) if f"region {verb}" in line) for verb in ("follow", "failback"))
        applied = [(index, line) for index, line in enumerate(steps) if " apply -k " in line]
        self.assertEqual([line.rsplit("/", 1)[1] for _, line in applied], ["us-east-1", "us-east-1", "us-west-2"])
        self.assertLess(applied[0][0], follow)
        self.assertEqual(applied[1][0], failback + 1)
        # A replica by its manifest has nothing to discard: `follow` refuses if the overlay was forgotten.
        self.assertNotIn("--discard", steps[follow])

    def test_the_failback_names_the_replica_as_the_manifest_does(self):
        line = next(line for line in lines_of(REGIONS, "Recovery") if "region failback" in line)
        words = line.split()
        host, port = words[words.index("--known-as") + 1].rsplit(":", 1)
        east = command(with_component(EAST, "follows-us-west-2"))
        self.assertEqual(([host], port), (told(east, "--replica-announce-ip"), told(east, "--replicaof")[1]))

    def test_a_promoted_replica_stays_one_when_it_is_started_again(self):
        patch = next(words for line in lines_of(STORE, "What to do") for words in stages(line) if "voice-redis-replica" in words and "json" in words)
        before = command(built("base"), "voice-redis-replica")
        after = patched(before, json.loads(patch[patch.index("--patch") + 1]))
        redis = Redis(self)
        self.assertEqual(redis.start(before), "slave")
        self.assertEqual(redis.start(after), "master")
        redis.ask("set", "voice:tasks:ada", "1")
        self.assertEqual((redis.start(after), redis.ask("get", "voice:tasks:ada")), ("master", "1"))


if __name__ == "__main__":
    unittest.main()
