"""The pods' network: a namespace for each pod on one bridge, and Services by relays, as the first kube-proxy had them.

All of it is within the network namespace that scripts/cluster.sh makes; nothing of the machine's own network is touched.
"""

import asyncio
import contextlib
import itertools
import subprocess
import threading

from api import Watched

BRIDGE, GATEWAY = "cni0", "10.244.0.1"
# Longest wait for a connection to a pod.
CONNECT = 1.0
CHUNK = 1 << 16


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Network:
    """Addresses of pods."""

    def __init__(self):
        self.numbers = itertools.count(2)
        self.lock = threading.Lock()
        ip("link", "add", BRIDGE, "type", "bridge")
        ip("addr", "add", f"{GATEWAY}/16", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")

    @staticmethod
    def place(uid):
        return f"/run/netns/{uid}"

    def add(self, uid):
        """A namespace of this name with an address of its own, that no pod had before."""
        with self.lock:
            number = next(self.numbers)
        address = f"10.244.{number // 250}.{number % 250 + 2}"
        ip("netns", "add", uid)
        ip("link", "add", f"v{number}", "type", "veth", "peer", "name", "eth0", "netns", uid)
        ip("link", "set", f"v{number}", "master", BRIDGE, "up")
        for words in (("addr", "add", f"{address}/16", "dev", "eth0"), ("link", "set", "eth0", "up"), ("link", "set", "lo", "up"),
                      ("route", "add", "default", "via", GATEWAY)):
            ip("-n", uid, *words)
        return address

    @staticmethod
    def remove(uid):
        ip("netns", "delete", uid)


class Backends:
    """Where connections to one port of a Service go: to the endpoint that has the fewest, and of those to the one that waited longest."""

    def __init__(self, endpoints):
        self.endpoints, self.counts, self.taken, self.numbers = endpoints, {}, {}, itertools.count(1)

    def ordered(self):
        return sorted(self.endpoints(), key=lambda address: (self.counts.get(address, 0), self.taken.get(address, 0)))

    def take(self, address):
        self.counts[address] = self.counts.get(address, 0) + 1
        self.taken[address] = next(self.numbers)

    def give_back(self, address):
        self.counts[address] -= 1


class Relays:
    """Services, by the EndpointSlices of the API server; and ways out of the pods' network to single ports of loopback."""

    def __init__(self, api):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        # Who is told when there is another Service; and connections, which nothing else holds.
        self.servers, self.listeners, self.carried = {}, [], set()
        self.slices = Watched(api, "/apis/discovery.k8s.io/v1/endpointslices")
        self.services = Watched(api, "/api/v1/services", self.changed)

    def stop(self):
        self.slices.stop()
        self.services.stop()
        self.loop.call_soon_threadsafe(self.loop.stop)

    def open(self, address, port, endpoints, has_address=True):
        """Listens there until the end, and sends each connection to one of the endpoints."""
        if not has_address:
            ip("addr", "replace", f"{address}/32", "dev", BRIDGE)
        backends = Backends(endpoints)

        async def accept(reader, writer):
            task = asyncio.current_task()
            self.carried.add(task)
            task.add_done_callback(self.carried.discard)
            await self.carry(backends, reader, writer)
        future = asyncio.run_coroutine_threadsafe(asyncio.start_server(accept, address, port), self.loop)
        return future.result(10)

    def let_out(self, port):
        """Pods reach this port of loopback at the gateway's address."""
        return self.open(GATEWAY, port, lambda: [("127.0.0.1", port)])

    def changed(self, service, gone):
        address, name = service["spec"].get("clusterIP"), service["metadata"]["name"]
        if gone or address in (None, "None") or address in self.servers or name == "kubernetes":
            return
        self.servers[address] = []
        for number, port in enumerate(service["spec"]["ports"]):
            space, label = service["metadata"]["namespace"], port.get("name", "")
            self.servers[address].append(self.open(address, port["port"], lambda s=space, l=label: self.endpoints(s, name, l),
                                                   has_address=number > 0))
        for listener in self.listeners:
            listener()

    def endpoints(self, space, service, port):
        """The endpoints that are ready; if there are none, those that still serve on their way out."""
        ready, serving = [], []
        for each in self.slices.all():
            meta = each["metadata"]
            if meta["namespace"] != space or meta.get("labels", {}).get("kubernetes.io/service-name") != service:
                continue
            number = next((one["port"] for one in each.get("ports") or [] if one.get("name", "") == port), None)
            for end in each.get("endpoints") or []:
                target = [(address, number) for address in end["addresses"]]
                conditions = end.get("conditions", {})
                if conditions.get("ready"):
                    ready += target
                elif conditions.get("serving"):
                    serving += target
        return ready or serving

    async def carry(self, backends, reader, writer):
        for address in backends.ordered():
            backends.take(address)
            try:
                try:
                    there = await asyncio.wait_for(asyncio.open_connection(*address), CONNECT)
                except (OSError, asyncio.TimeoutError):
                    continue
                await asyncio.gather(copy(reader, there[1]), copy(there[0], writer))
                there[1].close()
                break
            finally:
                backends.give_back(address)
        writer.close()


async def copy(reader, writer):
    """Bytes from one side to the other, to the end; either side may break off at any time."""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        # The other direction may have something to say yet.
        writer.write_eof()
