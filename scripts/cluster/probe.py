"""A probe of a container, by its manifest's timings."""

import time
import urllib.error
import urllib.request


class Probe:
    """Asks when it is time, and counts. `said` is none until it has an opinion."""

    def __init__(self, spec, pod, passed=None):
        self.spec, self.pod, self.said = spec, pod, passed
        self.streak, self.last, self.next_at = 0, None, time.monotonic() + spec.get("initialDelaySeconds", 0)

    def due(self):
        return time.monotonic() >= self.next_at

    def step(self):
        """Asks if it is time; whether its opinion changed."""
        if not self.due():
            return False
        self.next_at = time.monotonic() + self.spec.get("periodSeconds", 10)
        result = self.ask()
        self.streak = self.streak + 1 if result == self.last else 1
        self.last = result
        needed = self.spec.get("successThreshold", 1) if result else self.spec.get("failureThreshold", 3)
        if self.streak < needed or self.said == result:
            return False
        self.said = result
        return True

    def ask(self):
        timeout = self.spec.get("timeoutSeconds", 1)
        if "exec" in self.spec:
            return self.pod.execute(self.spec["exec"]["command"], timeout)
        ask = self.spec["httpGet"]
        port = self.pod.port(ask["port"])
        request = urllib.request.Request(f"http://{self.pod.ip}:{port}{ask['path']}", headers={"User-Agent": "kube-probe/1.37"})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return 200 <= answer.status < 400
        except (urllib.error.URLError, OSError):
            return False
