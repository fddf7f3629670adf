"""The whole of it on one machine, and `voice-agent validate` run there as a rehearsal.

A real Redis, Prometheus, Alertmanager and blackbox exporter with the files of deploy/, rehearsal providers, three instances behind a balancer, and
callers all the while. Only addresses and Alertmanager's waits are changed. Everything listens on 127.0.0.1. Called by scripts/demo-production.sh.
"""

import argparse
import contextlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
import time

from drill_parts import Instance, Processes, Providers, Watch, fetch, free_port, until
from tree import ROOT

REGION = "demo"
# What the rehearsed language model does about a shared screen: it looks, is told what is written there, and makes a task of the line it wants.
SCREEN = [{"user": "(?i)create a task from this", "calls": [{"name": "look_at_screen"}]},
          {"user": "What is written on the caller's screen.*?\"([^\"]*Refund[^\"]*)\"",
           "calls": [{"name": "add_task", "arguments": {"title": "$1", "say": "Added $1."}}]}]
SETTINGS = {"STT_CHAIN": "deepgram,whisper,embedded", "LLM_CHAIN": "openai,embedded", "TTS_CHAIN": "cartesia,elevenlabs,embedded",
            "PUBLIC_URL": "https://voice.example.com", "GREETING": "Hello! How can I help with your tasks today?", "REGION": REGION,
            "PRICES_FILE": "", "SCREEN_BLIND_MODELS": "gpt-4o-mini,gpt-3.5-turbo,gpt-5.4-mini"}


class Port:
    """Where the validation will listen for Alertmanager."""

    def __init__(self):
        self.port = free_port()


class Fleet:
    """Instances, each started again when it ends, as a Deployment does."""

    def __init__(self, processes, providers, env, count):
        self.processes, self.providers, self.env = processes, providers, env
        self.ports = [(free_port(), free_port()) for _ in range(count)]
        self.starts, self.over = [0] * count, threading.Event()
        self.members = [self.start(at) for at in range(count)]
        for member in self.members:
            member.ready()
        threading.Thread(target=self.look, daemon=True).start()

    def start(self, at):
        self.starts[at] += 1
        name = f"instance-{at + 1}-{self.starts[at]}"
        return Instance(self.processes, name, self.providers, self.env, ports=self.ports[at])

    def look(self):
        while not self.over.wait(0.2):
            for at, member in enumerate(self.members):
                if member.process.poll() is not None and not self.over.is_set():
                    # The port may be taken for a moment: then it is tried again.
                    with contextlib.suppress(TimeoutError):
                        self.members[at] = self.start(at)


def redis(processes):
    port = free_port()
    processes.start("redis", ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes",
                              "--appendfsync", "everysec", "--dir", processes.folder])
    return f"redis://127.0.0.1:{port}"


def balancer(processes, fleet):
    addresses = [f"127.0.0.1:{http}" for http, _ in fleet.ports]
    processes.start("balancer", [processes.target / "voice-sim", "balance", *addresses])
    log = processes.folder / "balancer.log"
    return until("the balancer listens", lambda: log.read_text().strip() if log.exists() else "")


def keep_calling(processes, url, words, at_once, over):
    """Callers all the while: what is measured of a deployment is measured of its calls."""
    command = [processes.target / "voice-agent", "call", "--url", url, "--wav", words, "--calls", 2 * at_once, "--at-once", at_once]
    while not over.is_set():
        with (processes.folder / "callers.log").open("a") as log:
            running = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            while running.poll() is None and not over.wait(0.2):
                pass
            if running.poll() is None:
                running.terminate()
            running.wait()


def kill_command(folder):
    """Kills the process whose log knows the session: the instance that has the call."""
    script = folder / "kill.sh"
    script.write_text(f"cd {shlex.quote(str(folder))} || exit 1\n"
                      'log=$(grep -lF -- "$VOICE_SESSION_ID" instance-*.log | tail -n 1)\n'
                      '[ -n "$log" ] || { echo "no instance knows the session" >&2; exit 1; }\n'
                      'kill -9 "$(cat "${log%.log}.pid")"\n', encoding="utf-8")
    return f"sh {shlex.quote(str(script))}"


def validate(processes, fleet, watch, url, providers, hook, arguments):
    """Runs the command; its exit code."""
    target, folder = processes.target, processes.folder
    environment = fleet.members[0].settings | {"HOME": os.environ.get("HOME", "/root")}
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items() if name != "PATH")
    asks = folder / "settings.sh"
    asks.write_text(f"exec env -i PATH=\"$PATH\" {settings} {shlex.quote(str(target / 'voice-agent'))} check-config --json\n")
    asks.chmod(0o600)
    command = [target / "voice-agent", "validate", "--rehearsal", "--url", url, "--window", f"{arguments.window}s",
               "--prometheus", watch.url(""), "--alertmanager", f"http://127.0.0.1:{watch.alertmanager}",
               "--rehearsal-control", providers.control, "--alert-webhook", f"127.0.0.1:{hook.port}",
               "--kill-command", kill_command(folder), "--config-command", f"sh {shlex.quote(str(asks))}",
               "--speech-command", f"{shlex.quote(str(target / 'voice-sim'))} say \"$TEXT\" \"$FILE\"", *arguments.options]
    return subprocess.run([str(word) for word in command], cwd=ROOT, env=environment, check=False).returncode


def note_pids(fleet, folder, over):
    """The process of each log."""
    while not over.wait(0.1):
        for member in fleet.members:
            (folder / f"{member.name}.pid").write_text(str(member.process.pid))


def demo(processes, arguments):
    rules = processes.folder / "rules.json"
    rules.write_text(json.dumps(SCREEN), encoding="utf-8")
    providers = Providers(processes, "all", "--latency", "stt=100,llm=150,tts=80", "--rules", rules)
    played = {name: value for name, value in providers.env.items() if name.startswith(("TWILIO", "PAGERDUTY"))}
    fleet = Fleet(processes, providers, played | SETTINGS | {"REDIS_URL": redis(processes)}, 3)
    url, hook, over = balancer(processes, fleet), Port(), threading.Event()
    watch = Watch(processes, hook, providers, rules=lambda group: group)
    for member in fleet.members:
        watch.add("voice-agent", f"127.0.0.1:{member.metrics}", REGION)
    watch.add("voice-agent-probe", f"{url}/health/ready", REGION)
    until("all are scraped", lambda: watch.has_data("count(up{job=\"voice-agent\"} == 1) == 3", 4))
    words = processes.folder / "words.wav"
    subprocess.run([str(processes.target / "voice-sim"), "say", "add a task to buy milk", str(words)], check=True)
    for background, given in ((keep_calling, (processes, url, words, arguments.callers, over)), (note_pids, (fleet, processes.folder, over))):
        threading.Thread(target=background, args=given, daemon=True).start()
    print(f"# {url}: three instances are called; the validation begins in {arguments.warm_up} s", file=sys.stderr, flush=True)
    time.sleep(arguments.warm_up)
    try:
        return validate(processes, fleet, watch, url, providers, hook, arguments)
    finally:
        over.set()
        fleet.over.set()
        time.sleep(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, help="the folder of the binaries")
    parser.add_argument("--window", type=int, default=75, help="seconds that the metrics are looked at")
    parser.add_argument("--callers", type=int, default=2, help="callers at a time, all the while")
    parser.add_argument("--warm-up", type=int, default=60, help="seconds of calls before the validation")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs, and say where it is")
    parser.add_argument("options", nargs="*", help="behind --: for voice-agent validate, such as --json or --only browser")
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="voice-demo-") if arguments.keep else None
    with contextlib.ExitStack() as stack:
        folder = folder or stack.enter_context(tempfile.TemporaryDirectory(prefix="voice-demo-", ignore_cleanup_errors=True))
        processes = Processes(folder, arguments.target)
        stack.callback(processes.stop_all)
        code = demo(processes, arguments)
    if arguments.keep:
        print(f"logs: {folder}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
