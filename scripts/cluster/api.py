"""An API server's client: a request, and a list that is kept up to date."""

import http.client
import json
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

# The server ends a watch after this long; the list is then watched on.
WATCH_SECONDS = 120
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


class ApiError(Exception):
    """An answer that is none of the 200s."""

    def __init__(self, status, body):
        super().__init__(f"{status}: {body[:2000]}")
        self.status, self.body = status, body


class Api:
    """Speaks to the API server as whoever the token is of."""

    def __init__(self, url, authority, token):
        self.url, self.token = url, token
        self.context = ssl.create_default_context(cafile=str(authority))

    def open(self, method, path, body=None, kind="application/json", timeout=30):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind, "Accept": "application/json"}
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        try:
            return urllib.request.urlopen(request, context=self.context, timeout=timeout)
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, error.read().decode()) from error

    def call(self, method, path, body=None, kind="application/json"):
        with self.open(method, path, body, kind) as answer:
            text = answer.read().decode()
        return json.loads(text) if text.startswith("{") else text

    def get(self, path, **query):
        return self.call("GET", path + (f"?{urllib.parse.urlencode(query)}" if query else ""))

    def find(self, path):
        """What is there, or nothing."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def create(self, path, body):
        return self.call("POST", path, body)

    def patch(self, path, body, kind=MERGE):
        return self.call("PATCH", path, body, kind)

    def delete(self, path, **options):
        return self.call("DELETE", path, {"apiVersion": "v1", "kind": "DeleteOptions", **options})


class Watched:
    """A list that is kept up to date, and what is called with each change: `changed(object, gone)`."""

    def __init__(self, api, path, changed=None, **query):
        self.api, self.path, self.query, self.changed = api, path, query, changed or (lambda thing, gone: None)
        self.things, self.over, self.lock = {}, threading.Event(), threading.Lock()
        self.filled = threading.Event()
        threading.Thread(target=self.follow, daemon=True).start()
        if not self.filled.wait(30):
            raise TimeoutError(f"never: the list of {path}")

    def all(self):
        with self.lock:
            return list(self.things.values())

    def stop(self):
        self.over.set()

    def follow(self):
        while not self.over.is_set():
            try:
                listed = self.api.get(self.path, **self.query)
                self.replace(listed.get("items") or [])
                self.filled.set()
                self.watch(listed["metadata"]["resourceVersion"])
            except (ApiError, OSError, ValueError, http.client.HTTPException):
                # A server that is away or has forgotten this version: once more, from a new list.
                time.sleep(0.3)

    def replace(self, items):
        fresh = {thing["metadata"]["uid"]: thing for thing in items}
        with self.lock:
            gone = [thing for uid, thing in self.things.items() if uid not in fresh]
            self.things = fresh
        for thing in gone:
            self.changed(thing, True)
        for thing in items:
            self.changed(thing, False)

    def watch(self, version):
        query = {**self.query, "watch": "1", "resourceVersion": version, "timeoutSeconds": str(WATCH_SECONDS),
                 "allowWatchBookmarks": "true"}
        with self.api.open("GET", f"{self.path}?{urllib.parse.urlencode(query)}", timeout=WATCH_SECONDS + 30) as stream:
            for line in stream:
                if self.over.is_set():
                    return
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                if event["type"] != "BOOKMARK":
                    self.take(event["object"], event["type"] == "DELETED")

    def take(self, thing, gone):
        with self.lock:
            if gone:
                self.things.pop(thing["metadata"]["uid"], None)
            else:
                self.things[thing["metadata"]["uid"]] = thing
        self.changed(thing, gone)
