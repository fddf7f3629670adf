"""The processes of the alert drill: real Prometheus, Alertmanager, blackbox exporter and server, rehearsal providers, a webhook."""

import http.server
import json
import os
import re
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

from tree import DEPLOY, ROOT

# A duration of a rule: a window in brackets. `for` is a field of its own.
WINDOW = re.compile(r"\[\d+[smhd]\]")
DRILL_WINDOW, DRILL_FOR = "[20s]", "1s"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def shortened(group):
    """A group of rules with short windows and `for`, and nothing else changed."""
    short = json.loads(json.dumps(group))
    for rule in short["rules"]:
        rule["expr"] = WINDOW.sub(DRILL_WINDOW, rule["expr"])
        if "for" in rule:
            rule["for"] = DRILL_FOR
    return short


def fetch(url, data=None, headers=None, timeout=5):
    """The answer's status and body; 0 when nobody answers."""
    request = urllib.request.Request(url, data=data, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except (OSError, urllib.error.URLError):
        return 0, ""


def until(what, condition, longest=30.0):
    """Waits for a condition, or fails with its name."""
    end = time.monotonic() + longest
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    raise TimeoutError(f"never: {what}")


class Processes:
    """What was started, so that all of it is ended."""

    def __init__(self, folder, target):
        self.folder, self.target, self.running = Path(folder), Path(target), []

    def start(self, name, command, env=None, stderr=None):
        log = (self.folder / f"{name}.log").open("w")
        process = subprocess.Popen([str(word) for word in command], env=env, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=log if stderr is None else stderr)
        self.running.append(process)
        return process

    def stop(self, process):
        if process.poll() is None:
            process.kill()
        process.wait()
        self.running.remove(process)

    def stop_all(self):
        for process in list(self.running):
            self.stop(process)


class Providers:
    """Rehearsal servers of their own for one scenario, with its faults from the start."""

    def __init__(self, processes, name, *arguments):
        self.log = processes.folder / f"{name}-providers.log"
        command = [processes.target / "voice-sim", "providers", *arguments]
        self.process = processes.start(f"{name}-providers", command)
        until(f"{name}'s providers", lambda: "# control" in self.log.read_text())
        self.env = dict(re.findall(r"^export (\w+)=(.*)$", self.log.read_text(), re.MULTILINE))
        self.control = re.search(r"# control: (http://[^/]*)/", self.log.read_text()).group(1)

    def journal(self, provider):
        status, body = fetch(f"{self.control}/control/journal?provider={provider}")
        return body if status == 200 else ""


class Instance:
    """A server, started as it is shipped but for its ports, and for what the scenario asks."""

    def __init__(self, processes, name, providers=None, env=None, stderr=None, ports=None):
        self.name, self.processes = name, processes
        self.http, self.metrics = ports or (free_port(), free_port())
        settings = {key: os.environ[key] for key in ("HOME", "PATH", "XDG_CACHE_HOME") if key in os.environ}
        provided = {} if providers is None else {key: value for key, value in providers.env.items()
                                                 if not key.startswith(("TWILIO", "PAGERDUTY"))}
        self.settings = settings | provided | {"DATA_DIR": str(processes.folder / f"{name}-data"), "LOG_FORMAT": "json", "GREETING": "",
                                "HTTP_ADDR": f"127.0.0.1:{self.http}", "METRICS_ADDR": f"127.0.0.1:{self.metrics}",
                                "ADMIN_TOKEN": "a-token-for-the-drill-alone-1234", "REGION": name,
                                "PRICES_FILE": str(ROOT / "scripts/drill-prices.toml")} | (env or {})
        self.process = processes.start(name, [processes.target / "voice-agent", "serve"], env=self.settings, stderr=stderr)
        self.url = f"http://127.0.0.1:{self.http}"
        until(f"{name} listens", lambda: fetch(f"{self.url}/health/live")[0] == 200)

    def ready(self):
        until(f"{self.name} is ready", lambda: fetch(f"{self.url}/health/ready")[0] == 200, 60)
        return self

    def post(self, path, data=b"{}", form=False):
        kind = "application/x-www-form-urlencoded" if form else "application/json"
        headers = {"Content-Type": kind, "Authorization": "Bearer a-token-for-the-drill-alone-1234"}
        return fetch(f"{self.url}{path}", data=data, headers=headers)

    def call(self, count, *arguments, at_once=4):
        """Callers, in the background."""
        command = [self.processes.target / "voice-agent", "call", "--url", self.url, "--calls", count, "--at-once", at_once]
        return self.processes.start(f"{self.name}-callers", [*command, *arguments])


class Webhook:
    """Where Alertmanager's notifications arrive: each time that an alert of a region did."""

    def __init__(self):
        self.arrived = {}
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for alert in body["alerts"]:
                    if alert["status"] == "firing":
                        key = (alert["labels"]["alertname"], alert["labels"].get("region", ""))
                        hook.arrived.setdefault(key, []).append(time.monotonic())
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class CertifiedPage:
    """A page that says that it is ready, with a certificate of so many days."""

    def __init__(self, folder, days):
        key, certificate = Path(folder) / f"{days}.key", Path(folder) / f"{days}.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", str(days),
                        "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"status":"ready"}')

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{server.server_address[1]}/health/ready"
        threading.Thread(target=server.serve_forever, daemon=True).start()


class Watch:
    """Prometheus, Alertmanager and the blackbox exporter, with the files of deploy/ but for addresses and durations."""

    def __init__(self, processes, webhook, pager, rules=shortened):
        self.processes, self.folder, self.rules = processes, processes.folder, rules
        self.prometheus, self.alertmanager, self.blackbox = free_port(), free_port(), free_port()
        self.targets = {"voice-agent": {}, "voice-agent-probe": {}, "livekit-probe": {}}
        self.write_rules()
        self.write_prometheus()
        self.write_alertmanager(webhook, pager)
        self.write_blackbox()
        self.start()

    def url(self, path, **query):
        return f"http://127.0.0.1:{self.prometheus}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")

    def write_rules(self):
        groups = []
        for path in sorted(DEPLOY.glob("prometheus/rules/*.yaml")):
            for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
                groups.append(self.rules(group))
        (self.folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}), encoding="utf-8")

    def write_prometheus(self):
        probed = [{"source_labels": ["__address__"], "target_label": "__param_target"},
                  {"source_labels": ["__param_target"], "target_label": "instance"},
                  {"target_label": "__address__", "replacement": f"127.0.0.1:{self.blackbox}"}]
        jobs = [{"job_name": name, "file_sd_configs": [{"files": [str(self.folder / f"{name}.json")]}]}
                for name in self.targets]
        for job, module in zip(jobs[1:], ("voice_ready", "livekit")):
            job |= {"metrics_path": "/probe", "params": {"module": [module]}, "relabel_configs": probed}
        config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
                  "rule_files": [str(self.folder / "rules.yaml")], "scrape_configs": jobs,
                  "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{self.alertmanager}"]}]}]}}
        (self.folder / "prometheus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        self.write_targets()

    def write_targets(self):
        for job, targets in self.targets.items():
            groups = [{"targets": [address], "labels": {"region": region}} for address, region in targets.items()]
            fresh = self.folder / f"{job}.json.new"
            fresh.write_text(json.dumps(groups), encoding="utf-8")
            fresh.rename(self.folder / f"{job}.json")

    def write_alertmanager(self, webhook, pager):
        config = yaml.safe_load((DEPLOY / "prometheus/alertmanager.yaml").read_text(encoding="utf-8"))
        key = self.folder / "routing-key"
        key.write_text(pager.env["PAGERDUTY_ROUTING_KEY"], encoding="utf-8")
        config["global"]["pagerduty_url"] = pager.env["PAGERDUTY_BASE_URL"] + "/v2/enqueue"
        config["templates"] = [str(DEPLOY / "prometheus/templates/*.tmpl")]
        config["route"] |= {"group_wait": "1s", "group_interval": "1s"}
        for route in config["route"]["routes"]:
            route |= {"group_wait": "1s", "group_interval": "1s"}
        for receiver in config["receivers"]:
            for hook in receiver.get("webhook_configs", []):
                hook["url"] = f"http://127.0.0.1:{webhook.port}/alerts"
            for page in receiver.get("pagerduty_configs", []):
                page["routing_key_file"] = str(key)
        (self.folder / "alertmanager.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    def write_blackbox(self):
        config = yaml.safe_load((DEPLOY / "prometheus/blackbox.yaml").read_text(encoding="utf-8"))
        # The drill's certificates are nobody's.
        config["modules"]["voice_ready"]["http"]["tls_config"] = {"insecure_skip_verify": True}
        (self.folder / "blackbox.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    def start(self):
        listen, folder = "--web.listen-address=127.0.0.1:", self.folder
        self.processes.start("blackbox", ["prometheus-blackbox-exporter", f"--config.file={folder}/blackbox.yaml",
                                          f"{listen}{self.blackbox}"])
        self.processes.start("alertmanager", [*self.with_templates(), f"--config.file={folder}/alertmanager.yaml",
                                              f"--storage.path={folder}/alertmanager", "--cluster.listen-address=",
                                              f"{listen}{self.alertmanager}"])
        self.processes.start("prometheus", ["prometheus", f"--config.file={folder}/prometheus.yaml",
                                            "--rules.alert.resend-delay=5s", f"--storage.tsdb.path={folder}/tsdb",
                                            f"{listen}{self.prometheus}"])
        until("Prometheus is ready", lambda: fetch(self.url("/-/ready"))[0] == 200)
        until("Alertmanager is ready", lambda: fetch(f"http://127.0.0.1:{self.alertmanager}/-/ready")[0] == 200)

    @staticmethod
    def with_templates():
        """Alertmanager. Debian's looks for its templates in /usr/share; where it is not installed, it is shown ours there."""
        name = "prometheus-alertmanager"
        if Path("/usr/share/prometheus/alertmanager/default.tmpl").exists():
            return [name]
        share = Path(os.environ["OPERATIONS_FOLDER"]) / "share"
        command = f'mount --bind "{share}" /usr/share && exec {name} "$@"'
        return ["unshare", *(["--map-root-user"] if os.geteuid() else []), "--mount", "sh", "-c", command, name]

    def add(self, job, address, region):
        self.targets[job][address] = region
        self.write_targets()

    def remove(self, job, address):
        self.targets[job].pop(address, None)
        self.write_targets()

    def firing(self):
        """The alerts that fire now, by name and region."""
        status, body = fetch(self.url("/api/v1/alerts"))
        alerts = json.loads(body)["data"]["alerts"] if status == 200 else []
        return {(alert["labels"]["alertname"], alert["labels"].get("region", "")) for alert in alerts
                if alert["state"] == "firing"}

    def held_back(self):
        """The alerts that Alertmanager has and does not tell, because of something worse."""
        status, body = fetch(f"http://127.0.0.1:{self.alertmanager}/api/v2/alerts?inhibited=true&active=false")
        alerts = json.loads(body) if status == 200 else []
        return {(alert["labels"]["alertname"], alert["labels"].get("region", "")) for alert in alerts
                if alert["status"]["inhibitedBy"]}

    def has_data(self, query, seconds):
        """Whether a query had a number at any time of the last so many seconds."""
        now = time.time()
        body = fetch(self.url("/api/v1/query_range", query=query, start=now - seconds, end=now, step=2), timeout=30)[1]
        series = json.loads(body)["data"]["result"] if body.startswith("{") and '"success"' in body[:30] else []
        return any(value != "NaN" for each in series for _, value in each["values"])
