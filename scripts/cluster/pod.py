"""A pod of a node of our own: what a kubelet does between its binding and its end, with a real process."""

import base64
import os
import signal
import subprocess
import threading
import time
import traceback
from datetime import datetime, timezone

from api import ApiError
from images import ENTER
from probe import Probe

STEP = 0.05
# A container that ends is started again at once, then after so long, then twice as long.
BACKOFF, LONGEST_BACKOFF = 10, 300


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class NotYet(Exception):
    """Why the container cannot be started now."""


class Pod(threading.Thread):
    """One pod, with one container."""

    def __init__(self, node, thing):
        super().__init__(daemon=True, name=thing["metadata"]["name"])
        self.node, self.thing = node, thing
        self.space, self.title, self.uid = thing["metadata"]["namespace"], thing["metadata"]["name"], thing["metadata"]["uid"]
        self.path = f"/api/v1/namespaces/{self.space}/pods/{self.title}"
        self.spec = thing["spec"]["containers"][0]
        self.folder = node.folder / self.uid
        self.process, self.ip, self.started, self.began = None, None, None, now()
        self.restarts, self.waiting, self.ended = 0, {"reason": "ContainerCreating"}, None
        self.probes, self.turned = {}, {}

    def tell(self, what):
        self.node.tell(self.title, what)

    # What it is to be.

    def leaving(self):
        return "deletionTimestamp" in self.thing["metadata"]

    def grace(self):
        return self.thing["metadata"].get("deletionGracePeriodSeconds", 30)

    def port(self, name):
        """A port by its number, or by its name."""
        return name if isinstance(name, int) else next(each["containerPort"] for each in self.spec["ports"] if each["name"] == name)

    def user(self):
        guard = {**self.thing["spec"].get("securityContext", {}), **self.spec.get("securityContext", {})}
        return str(guard.get("runAsUser", 0)), str(guard.get("runAsGroup", guard.get("runAsUser", 0)))

    def read(self, kind, name, optional=False):
        """A ConfigMap or a Secret, as text. The node may see what its pods name, and nothing else."""
        found = self.node.api.find(f"/api/v1/namespaces/{self.space}/{kind}/{name}")
        if found is None and not optional:
            raise NotYet(f"{kind} {name!r} not found")
        data = (found or {}).get("data") or {}
        return {key: base64.b64decode(value).decode() if kind == "secrets" else value for key, value in data.items()}

    def environment(self, image):
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "HOSTNAME": self.title,
               "KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443", **image.env}
        for source in self.spec.get("envFrom", []):
            for field, kind in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
                if field in source:
                    env |= self.read(kind, source[field]["name"], source[field].get("optional", False))
        for each in self.spec.get("env", []):
            env[each["name"]] = each["value"] if "value" in each else self.from_secret(each["valueFrom"]["secretKeyRef"])
        return env

    def from_secret(self, reference):
        data = self.read("secrets", reference["name"])
        if reference["key"] not in data:
            raise NotYet(f"couldn't find key {reference['key']} in Secret {reference['name']}")
        return data[reference["key"]]

    def mounts(self, image):
        """`(from, to)` for each thing that the root gets beside /usr."""
        volumes = {each["name"]: each for each in self.thing["spec"].get("volumes", [])}
        found = [*image.mounts, (self.write("hosts", self.node.hosts(self)), "/etc/hosts")]
        for each in self.spec.get("volumeMounts", []):
            found.append((self.node.volumes.folder(self, volumes[each["name"]]), each["mountPath"]))
        # What is mounted within another thing comes after it.
        return sorted(found, key=lambda pair: pair[1].count("/"))

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    # Its life.

    def run(self):
        try:
            self.live()
        except Exception:  # A fault of the node's own fails the tests that look for it.
            self.node.problems.append(f"{self.title}: {traceback.format_exc()}")

    def live(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ip = self.node.network.add(self.uid)
        pause = 0
        while not self.leaving() and not self.node.over.is_set():
            if self.start_container():
                self.attend()
                if not self.leaving():
                    self.restarts += 1
                    self.waiting = {"reason": "CrashLoopBackOff"}
                    self.show()
                    self.idle(pause)
                    pause = min(max(2 * pause, BACKOFF), LONGEST_BACKOFF)
            else:
                self.idle(1)
        self.leave()

    def idle(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.leaving() and not self.node.over.is_set():
            time.sleep(STEP)

    def start_container(self):
        image = self.node.image(self.spec["image"])
        try:
            if image is None:
                raise NotYet("no such image here")
            words = [*self.spec.get("command", image.command), *self.spec.get("args", []), *image.more]
            env, mounts = self.environment(image), self.mounts(image)
        except (NotYet, ApiError) as error:
            # The API server lets a node see what its pods name a moment after they are its own.
            reason = "ImagePullBackOff" if image is None else "CreateContainerConfigError"
            if self.waiting.get("message") != str(error):
                self.waiting = {"reason": reason, "message": str(error)}
                self.tell(f"waits: {error}")
                self.show()
            return False
        ro = "yes" if self.spec.get("securityContext", {}).get("readOnlyRootFilesystem") else "no"
        root = self.folder / "root"
        root.mkdir(exist_ok=True)
        pairs = [str(word) for pair in mounts for word in pair]
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            ["nsenter", f"--net={self.node.network.place(self.uid)}", "unshare", "--mount", "sh", "-c", ENTER, "enter", str(root), ro,
             *self.user(), *pairs, "--", *words], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.started, self.ended, self.waiting = now(), None, None
        self.probes = {name: Probe(self.spec[name], self, passed) for name, passed in
                       (("startupProbe", None), ("livenessProbe", True), ("readinessProbe", False)) if name in self.spec}
        self.tell("started")
        self.show()
        return True

    def attend(self):
        """Asks the probes until the process ends, must be ended, or the pod is to go."""
        while not self.leaving() and not self.node.over.is_set():
            if self.process.poll() is not None:
                self.note_end()
                return
            if self.probe("startupProbe", "livenessProbe", "readinessProbe"):
                self.stop_process(self.thing["spec"].get("terminationGracePeriodSeconds", 30))
                return
            time.sleep(STEP)

    def probe(self, *names):
        """Whether a probe says that the container must be started anew."""
        startup = self.probes.get("startupProbe")
        if startup and "startupProbe" in names and not startup.said:
            if startup.step():
                self.tell("has started" if startup.said else "never started")
                self.begin_probes()
                self.show()
                return not startup.said
            return False
        for name in (name for name in ("livenessProbe", "readinessProbe") if name in names and name in self.probes):
            if self.probes[name].step():
                self.tell(f"{name} {'passes' if self.probes[name].said else 'fails'}")
                self.show()
                if name == "livenessProbe" and not self.probes[name].said:
                    return True
        return False

    def begin_probes(self):
        """A probe's first delay counts from the container's start; what has passed meanwhile is asked at once."""
        for name in ("livenessProbe", "readinessProbe"):
            if name in self.probes:
                self.probes[name].next_at = max(self.probes[name].next_at, time.monotonic())

    def leave(self):
        if self.process is not None and self.process.poll() is None:
            self.stop_process(self.grace() if self.leaving() else 0)
        if self.leaving():
            self.show()
            try:
                self.node.api.delete(self.path, gracePeriodSeconds=0, preconditions={"uid": self.uid})
            except ApiError as error:
                if error.status not in (404, 409):
                    raise
        self.node.network.remove(self.uid)
        self.tell("gone")

    def stop_process(self, grace):
        """preStop, SIGTERM, and SIGKILL when the grace period is over; readiness is asked to the end."""
        end = time.monotonic() + grace
        pause = self.spec.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if pause and grace:
            self.tell("preStop")
            self.wait_for_end(min(end, time.monotonic() + pause))
        if self.process.poll() is None and grace:
            self.tell("SIGTERM")
            self.process.send_signal(signal.SIGTERM)
            # The kubelet gives two seconds at least.
            self.wait_for_end(max(end, time.monotonic() + 2))
        if self.process.poll() is None:
            self.tell("SIGKILL")
            self.process.kill()
            self.process.wait()
        self.note_end()

    def wait_for_end(self, end):
        while time.monotonic() < end and self.process.poll() is None:
            self.probe("readinessProbe")
            time.sleep(STEP)

    def note_end(self):
        code = self.process.poll()
        code = code if code >= 0 else 128 - code
        self.ended = {"exitCode": code, "startedAt": self.started, "finishedAt": now(), "reason": "Error" if code else "Completed"}
        self.tell(f"exited with {code}")
        self.show()

    def execute(self, command, timeout):
        """Whether a command in the container goes well."""
        enter = ["nsenter", "--target", str(self.process.pid), "--mount", "--net", "--root", "--wd"]
        user, group = self.user()
        try:
            done = subprocess.run([*enter, "setpriv", "--reuid", user, "--regid", group, "--clear-groups", *command],
                                  env={"PATH": "/usr/bin:/bin"}, capture_output=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    # What is told of it.

    def state(self):
        if self.waiting is not None:
            return {"waiting": self.waiting}
        return {"running": {"startedAt": self.started}} if self.ended is None else {"terminated": self.ended}

    def condition(self, kind, holds):
        word = "True" if holds else "False"
        if self.turned.get(kind, (None,))[0] != word:
            self.turned[kind] = (word, now())
        return {"type": kind, "status": word, "lastTransitionTime": self.turned[kind][1]}

    def show(self):
        """Tells the API server what is the case."""
        runs = "running" in self.state()
        startup, readiness = self.probes.get("startupProbe"), self.probes.get("readinessProbe")
        has_started = runs and (startup is None or bool(startup.said))
        is_ready = has_started and (readiness is None or bool(readiness.said))
        phase = "Pending" if self.started is None else "Running"
        if self.leaving() and self.ended is not None:
            phase = "Failed" if self.ended["exitCode"] else "Succeeded"
        container = {"name": self.spec["name"], "image": self.spec["image"], "imageID": self.spec["image"], "ready": is_ready,
                     "started": has_started, "restartCount": self.restarts, "state": self.state(),
                     "containerID": f"process://{self.process.pid if self.process else 0}"}
        scheduled = [each for each in self.thing["status"].get("conditions", []) if each["type"] == "PodScheduled"]
        conditions = [*scheduled, self.condition("PodReadyToStartContainers", True), self.condition("Initialized", True),
                      self.condition("ContainersReady", is_ready), self.condition("Ready", is_ready)]
        status = {"phase": phase, "startTime": self.began, "podIP": self.ip, "podIPs": [{"ip": self.ip}],
                  "hostIP": self.node.address, "hostIPs": [{"ip": self.node.address}], "conditions": conditions, "containerStatuses": [container]}
        try:
            self.node.api.patch(f"{self.path}/status", {"metadata": {"uid": self.uid}, "status": status})
        except ApiError as error:
            # It may be gone, or another may have its name.
            if error.status not in (404, 409):
                raise

    def usage(self):
        """Seconds of a core that the process has used, and the bytes that it has."""
        try:
            with open(f"/proc/{self.process.pid}/stat", encoding="utf-8") as file:
                words = file.read().rsplit(")", 1)[1].split()
        except (AttributeError, OSError):
            return None
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK"), int(words[21]) * os.sysconf("SC_PAGE_SIZE")
