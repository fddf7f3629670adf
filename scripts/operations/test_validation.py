"""The commands that docs/validation.md gives to `voice-agent validate`."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from tree import ROOT

TEXT = (ROOT / "docs/validation.md").read_text(encoding="utf-8")
SESSION, OTHER = "0193a7c4-session", "0193a7c4-another"
# As `kubectl logs --prefix --timestamps` prints them: pod after pod, and not in the order in which it happened. The session began on one pod, moved
# to the next, and what the first one says of it afterwards does not count.
LINES = [
    ("voice-agent-b", 3, "connected", SESSION), ("voice-agent-b", 4, "turn finished", SESSION),
    ("voice-agent-c", 9, "connected", OTHER),
    ("voice-agent-a", 1, "connected", SESSION), ("voice-agent-a", 2, "disconnected", SESSION), ("voice-agent-a", 5, "turn finished", SESSION),
]
KUBECTL = """#!/bin/sh
case "$1" in
    logs) cat "$LINES" ;;
    delete) for word in "$@"; do echo "$word"; done >"$DELETED" ;;
esac
"""


class ValidationTest(unittest.TestCase):
    def test_the_instance_that_has_the_session_now_is_killed(self):
        kill = re.search(r"^KILL='(.*)'$", TEXT, re.MULTILINE).group(1)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "kubectl").write_text(KUBECTL, encoding="utf-8")
            (folder / "kubectl").chmod(0o755)
            (folder / "lines").write_text("".join(
                f'[pod/{pod}/voice-agent] 2026-11-29T12:00:{at:02}.000000000Z {{"level":"INFO","message":"{said}","session":"{session}"}}\n'
                for pod, at, said, session in LINES), encoding="utf-8")
            environment = {"PATH": f"{folder}:{os.environ['PATH']}", "VOICE_SESSION_ID": SESSION, "LINES": str(folder / "lines"),
                           "DELETED": str(folder / "deleted")}
            subprocess.run(["sh", "-c", kill], env=environment, check=True)
            deleted = (folder / "deleted").read_text(encoding="utf-8").split()
        self.assertEqual(deleted, ["delete", "--force", "--grace-period=0", "--wait=false", "pod/voice-agent-b"])

    def test_what_the_command_looks_for_is_written(self):
        source = (ROOT / "crates/voice-agent/src/telemetry/events.rs").read_text(encoding="utf-8")
        self.assertIn('info!(session, connection, "connected");', source)


if __name__ == "__main__":
    unittest.main()
