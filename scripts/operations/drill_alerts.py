"""Makes every alert happen, in a real Prometheus that scrapes real servers, and looks whether it is told: Markdown.

The rules, Alertmanager's routes and the exporter's modules are the files of deploy/; only addresses change, and windows and `for` are
seconds. Every scenario is a region of its own. Everything listens on 127.0.0.1, at ports that are free. Called by scripts/drill-alerts.sh.
"""

import argparse
import contextlib
import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import wave
from pathlib import Path

import dashboards
from drill_parts import CertifiedPage, Instance, Processes, Providers, Watch, Webhook, fetch, free_port, until
from tree import ROOT, alerts

# How many times as much a call costs where it is dear.
DEAR = 200
QUICK = {"FAILOVER_BLIP_MS": "0", "STT_CHAIN": "deepgram,whisper", "LLM_CHAIN": "openai", "TTS_CHAIN": "cartesia,elevenlabs"}
SCENARIOS = {}


def scenario(*expected, longest=60):
    """A way to make these alerts happen."""
    def register(function):
        SCENARIOS[function.__name__] = (function, expected, longest)
        return function
    return register


class Drill:
    def __init__(self, processes):
        self.processes, self.folder = processes, processes.folder
        self.began, self.rows, self.stages = time.monotonic(), {}, contextlib.ExitStack()
        self.words, self.click = self.folder / "words.wav", self.folder / "click.wav"
        subprocess.run([str(self.processes.target / "voice-sim"), "say", "add a task to buy milk", str(self.words)], check=True)
        with wave.open(str(self.click), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            # A click is no speech; a caller of whom nothing at all is heard is refused by the calling command.
            file.writeframes(b"\x00\x20" * 160 + bytes(2 * 16_000))
        self.webhook, self.pager = Webhook(), Providers(self.processes, "pager")
        self.watch = Watch(self.processes, self.webhook, self.pager)
        # One that is well is there all the while, so that no other alert is held back because nobody is left.
        self.well = Instance(processes, "well", Providers(processes, "well")).ready()
        self.watch.add("voice-agent", f"127.0.0.1:{self.well.metrics}", "well")
        self.watch.add("voice-agent-probe", f"{self.well.url}/health/ready", "well")

    def instance(self, name, providers=None, env=None, stderr=None, ready=True):
        """An instance that is scraped, in a region of the scenario's name."""
        found = Instance(self.processes, name, providers, env, stderr)
        if ready:
            found.ready()
        self.watch.add("voice-agent", f"127.0.0.1:{found.metrics}", name)
        self.stages.callback(self.watch.remove, "voice-agent", f"127.0.0.1:{found.metrics}")
        # A counter that moves before it was first looked at has no increase.
        until(f"{name} is scraped", lambda: self.watch.has_data(f'up{{region="{name}"}} == 1', 4))
        return found

    def providers(self, name, *arguments):
        return Providers(self.processes, name, *arguments)

    def keep(self, action, pause=1.0):
        """Repeats something in the background until the scenario is over."""
        over = threading.Event()

        def loop():
            while not over.wait(pause):
                action()
        threading.Thread(target=loop, daemon=True).start()
        self.stages.callback(over.set)

    def run(self, name):
        function, expected, longest = SCENARIOS[name]
        before = list(self.processes.running)
        with self.stages:
            self.stages = contextlib.ExitStack()
            self.rows |= {alert: (name, None, None, False) for alert in expected}
            try:
                function(self)
                self.wait(name, expected, longest)
            except TimeoutError as error:
                # Its alerts have not fired; the others' table is worth having all the same.
                print(f"# {name}: {error}", file=sys.stderr, flush=True)
            self.stages.close()
        for process in [each for each in self.processes.running if each not in before]:
            self.processes.stop(process)

    def wait(self, name, expected, longest):
        """Notes when each alert fired and arrived, until all have or the time is over."""
        began = time.monotonic()
        fired, told, held = {}, {}, set()
        while time.monotonic() - began < longest and not all(alert in told or alert in held for alert in expected):
            now = time.monotonic() - began
            firing = {alert for alert, region in self.watch.firing() if region in (name, "")}
            for alert in firing:
                fired.setdefault(alert, now)
            held |= {alert for alert, region in self.watch.held_back() if region in (name, "")}
            for (alert, region), times in list(self.webhook.arrived.items()):
                # The watchdog fired, and was told, before any scenario began.
                since = [max(when - began, 0) for when in times if when >= began or alert == "VoiceWatchdog"]
                if region in (name, "") and since:
                    told.setdefault(alert, since[0])
            time.sleep(0.5)
        for alert in expected:
            self.rows[alert] = (name, fired.get(alert), told.get(alert), alert in held)
        print(f"# {name}: {sum(alert in fired for alert in expected)} of {len(expected)}", file=sys.stderr, flush=True)


@scenario("VoiceWatchdog", longest=30)
def healthy(drill):
    instance = drill.well
    instance.call(12, "--wav", drill.words).wait()
    # A typed question that is asked twice, so that a cache answers.
    body = json.loads(instance.post("/api/sessions", b'{"user_id": "ada"}')[1])
    for _ in range(3):
        fetch(f"{instance.url}/api/sessions/{body['session_id']}/messages", b'{"text": "What are my tasks?"}',
              {"Content-Type": "application/json", "Authorization": f"Bearer {body['token']}"}, 20)


@scenario("VoiceProviderResting", "VoiceDegraded", longest=45)
def recogniser_down(drill):
    drill.instance("recogniser_down", drill.providers("recogniser_down", "--fault", "deepgram=503@connect"),
                   QUICK).call(60, "--wav", drill.words)


@scenario("VoiceNoFallback", longest=45)
def no_fallback(drill):
    # A model that was retired, behind the first of its chain: known at the start, and no resting provider.
    drill.instance("no_fallback", drill.providers("no_fallback"), QUICK | {"OPENAI_WHISPER_MODEL": "whisper-0"})


@scenario("VoiceFailoverActive", "VoiceSTTErrorRatioHigh", "VoiceSTTErrorsHigh")
def recogniser_refuses(drill):
    instance = drill.instance("recogniser_refuses", drill.providers("recogniser_refuses", "--fault", "deepgram=wrong_audio@start"),
                              QUICK)
    instance.call(200, "--wav", drill.words, at_once=6)


@scenario("VoiceProviderAccount")
def account_refused(drill):
    drill.instance("account_refused", drill.providers("account_refused", "--fault", "chat=401@connect"),
                   QUICK | {"LLM_CHAIN": "openai,embedded"}).call(60, "--wav", drill.words)


@scenario("VoiceProviderRateLimited")
def rate_limited(drill):
    drill.instance("rate_limited", drill.providers("rate_limited", "--fault", "chat=429:1@connect"),
                   QUICK | {"LLM_CHAIN": "openai,embedded"}).call(120, "--wav", drill.words)


@scenario("VoiceTextFallback", "VoiceStageDown", "VoiceNotReady", "VoiceErrorBudgetBurnFast", "VoiceErrorBudgetBurnSlow",
          "VoiceNobodyPaged", "VoiceTextsUndelivered", longest=90)
def voices_gone(drill):
    env = QUICK | {"TWILIO_AUTH_TOKEN": "a-token", "PUBLIC_URL": "https://voice.example.com", "TWILIO_VALIDATE_SIGNATURES": "false",
                   "FAILOVER_COOL_DOWN_MS": "4000"}
    instance = drill.instance("voices_gone", drill.providers("voices_gone", "--fault", "tts=503@connect"), env)
    number = iter(range(10_000))

    def telephone():
        at = next(number)
        form = f"CallSid=CA{at:032x}&From=%2B1555{at:07d}&To=%2B15005550006&Direction=inbound&AccountSid="
        instance.post("/twilio/voice", form.encode(), form=True)

    instance.call(60, "--wav", drill.words, "--timeout", "8", at_once=6)
    drill.keep(telephone)


@scenario("VoiceNoAudioOut")
def mute(drill):
    # What is refused as a wrong request puts nobody to rest: callers are taken, heard, and have to read.
    instance = drill.instance("mute", drill.providers("mute", "--fault", "tts=400@connect"), QUICK)
    instance.call(60, "--wav", drill.words, "--timeout", "10")


@scenario("VoiceLatencyHigh", longest=45)
def lagging(drill):
    instance = drill.instance("lagging", drill.providers("lagging", "--latency", "llm=380"),
                              QUICK | {"OPENAI_MODELS": "gpt-4o-mini"})
    instance.call(60, "--wav", drill.words, at_once=2)


@scenario("VoiceLatencyCritical", "VoiceDeadAir", longest=60)
def slow(drill):
    instance = drill.instance("slow", drill.providers("slow", "--latency", "llm=2500"), QUICK | {"OPENAI_MODELS": "gpt-4o-mini"})
    instance.call(60, "--wav", drill.words)


@scenario("VoiceCostExceeded", "VoiceCostPerMinuteHigh")
def dear(drill):
    prices = re.sub(r"= ([\d_]+)", lambda match: f"= {int(match.group(1).replace('_', '')) * DEAR}",
                    (ROOT / "scripts/drill-prices.toml").read_text(encoding="utf-8"))
    (drill.folder / "dear.toml").write_text(prices, encoding="utf-8")
    instance = drill.instance("dear", drill.providers("dear"), QUICK | {"PRICES_FILE": str(drill.folder / "dear.toml")})
    instance.call(60, "--wav", drill.words)


@scenario("VoiceCostCeilingNear", "VoiceCostCeilingReached")
def day_spent(drill):
    instance = drill.instance("day_spent", drill.providers("day_spent"), QUICK | {"COST_DAY_NANOUSD": "6000000"})
    drill.keep(lambda: instance.call(2, "--wav", drill.words).wait())


@scenario("VoiceSessionsRejected")
def full(drill):
    instance = drill.instance("full", drill.providers("full"), QUICK | {"LIMITS_MAX_SESSIONS": "2"})
    drill.keep(lambda: instance.post("/api/sessions"), 0.2)


@scenario("VoiceNoAudioIn", longest=75)
def unheard(drill):
    drill.instance("unheard", drill.providers("unheard"), QUICK).call(12, "--wav", drill.click, "--timeout", "30")


@scenario("VoiceStoreFailing", "VoiceStoreSlow", longest=75)
def store(drill):
    port = free_port()
    redis = drill.processes.start("redis", ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
                                            "--dir", drill.folder])
    instance = drill.instance("store", drill.providers("store"), QUICK | {"REDIS_URL": f"redis://127.0.0.1:{port}"})

    def pause():
        subprocess.run(["redis-cli", "-p", str(port), "client", "pause", "300", "all"], capture_output=True, timeout=5)

    over = threading.Event()

    def trouble():
        end = time.monotonic() + 25
        while time.monotonic() < end and not over.wait(0.35):
            pause()
        redis.send_signal(signal.SIGSTOP)
    instance.call(200, "--wav", drill.words)
    threading.Thread(target=trouble, daemon=True).start()
    drill.stages.callback(lambda: redis.poll() is None and redis.send_signal(signal.SIGCONT))
    drill.stages.callback(over.set)


@scenario("VoiceRecordingsWaiting", "VoiceRetentionOverdue")
def unstored(drill):
    # A file where the folder should be.
    blocked = drill.folder / "no-folder"
    blocked.write_text("", encoding="utf-8")
    instance = drill.instance("unstored", drill.providers("unstored"),
                              QUICK | {"RECORDING_ENABLED": "true", "RECORDING_STORAGE": str(blocked)})
    _, body = instance.post("/api/sessions", b'{"recording_consent": true}')
    session = json.loads(body)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {session['token']}"}
    path = f"{instance.url}/api/sessions/{session['session_id']}"
    fetch(f"{path}/messages", data=b'{"text": "what are my tasks?"}', headers=headers)
    urllib.request.urlopen(urllib.request.Request(path, headers=headers, method="DELETE"), timeout=10).close()


@scenario("VoiceModelSlow", "VoiceAudioLost", longest=150)
def crowded(drill):
    chains = {"STT_CHAIN": "embedded", "LLM_CHAIN": "embedded", "TTS_CHAIN": "embedded", "MODEL_STT_WORKERS": "1"}
    instance = drill.instance("crowded", None, chains)
    instance.call(60, "--say", "What are my tasks, and what is due tomorrow?", at_once=20)

    def stumble():
        instance.process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        instance.process.send_signal(signal.SIGCONT)
    drill.keep(stumble, 3.0)


@scenario("VoiceLogLinesLost", longest=60)
def unread(drill):
    instance = drill.instance("unread", drill.providers("unread"), QUICK | {"LOG_LEVEL": "trace"}, stderr=subprocess.PIPE)
    instance.call(100, "--wav", drill.words)


@scenario("VoiceUnreachable", "VoiceLiveKitDown", "VoiceCertificateExpiring", "VoiceCertificateCritical", longest=45)
def outside(drill):
    dead = f"http://127.0.0.1:{free_port()}/health/ready"
    pages = [CertifiedPage(drill.folder, days) for days in (2, 10)]
    for job, url in (("voice-agent-probe", dead), ("livekit-probe", dead), *(("voice-agent-probe", page.url) for page in pages)):
        drill.watch.add(job, url, "outside")
        drill.stages.callback(drill.watch.remove, job, url)


@scenario("VoiceInstanceDown", longest=30)
def one_gone(drill):
    drill.instance("other", drill.providers("other"), QUICK)
    gone = drill.instance("one_gone", drill.providers("one_gone"), QUICK)
    time.sleep(3)
    gone.process.kill()


@scenario("VoiceNoInstances", longest=30)
def all_gone(drill):
    drill.processes.stop(drill.well.process)
    drill.instance("all_gone", drill.providers("all_gone"), QUICK).process.kill()


def panels_without_data(drill):
    seconds = int(time.monotonic() - drill.began) + 5
    empty, count = [], 0
    for path in dashboards.FILES:
        for panel in dashboards.panels(json.loads(path.read_text(encoding="utf-8"))):
            for target in panel["targets"]:
                count += 1
                query = re.sub(r"\$(channel|region)", ".*", target["expr"])
                if not drill.watch.has_data(query, seconds):
                    empty.append(f"{panel['title']}: `{target['expr']}`")
    return count, empty


def seconds(value):
    return "–" if value is None else f"{value:.0f}"


def report(drill, wanted):
    severity = {name: alert["labels"]["severity"] for name, alert in alerts().items()}
    paged = drill.pager.journal("pagerduty")
    print("| Alert | Severity | Provoked by | Fired after, s | Told after, s | Paged |\n|---|---|---|--:|--:|---|")
    failed = []
    for name in sorted(drill.rows):
        where, fired, told, held = drill.rows[name]
        pages = "yes" if f"{name} ({where})" in paged or f"{name}:" in paged else "**no**"
        page = pages if severity[name] == "critical" else ""
        word = "held back by something worse" if told is None and held else seconds(told)
        print(f"| {name} | {severity[name]} | {where} | {seconds(fired)} | {word} | {page} |")
        if fired is None or (told is None and not held) or page == "**no**":
            failed.append(name)
    left_out = sorted(set(alerts()) - set(drill.rows))
    print(f"\n{len(drill.rows) - len(failed)} of {len(drill.rows)} alerts fired and were told."
          + (f" Failed: {', '.join(failed)}." if failed else "") + (f" Not provoked: {', '.join(left_out)}." if left_out else ""))
    if wanted:
        return bool(failed)
    count, empty = panels_without_data(drill)
    print(f"\n{count - len(empty)} of {count} queries of the panels had data." + "".join(f"\n- {each}" for each in empty))
    return bool(failed or empty)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, help="the folder of the binaries")
    parser.add_argument("--only", default="", help=f"these scenarios, separated by commas: {', '.join(SCENARIOS)}")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs, and say where it is")
    arguments = parser.parse_args()
    wanted = [name for name in arguments.only.split(",") if name]
    folder = tempfile.mkdtemp(prefix="voice-drill-") if arguments.keep else None
    with contextlib.ExitStack() as stack:
        folder = folder or stack.enter_context(tempfile.TemporaryDirectory(prefix="voice-drill-"))
        processes = Processes(folder, arguments.target)
        stack.callback(processes.stop_all)
        drill = Drill(processes)
        for name in wanted or SCENARIOS:
            drill.run(name)
        code = report(drill, wanted)
    if arguments.keep:
        print(f"logs: {folder}", file=sys.stderr)
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
