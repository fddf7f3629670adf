"""Nodes of our own: they speak to the API server as kubelets do, and their pods are processes."""

import os
import threading
import time
from pathlib import Path

from api import ApiError, Watched
from network import Network
from pod import NotYet, Pod, now

BEAT = 10
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


class Machines:
    """What the nodes of one cluster share: the network, the images, and a diary of what became of their pods."""

    def __init__(self, folder, images, hosts):
        self.folder, self.images, self.hosts = Path(folder), images, hosts
        self.network, self.over = Network(), threading.Event()
        self.diary, self.problems, self.lock = [], [], threading.Lock()

    def image(self, name):
        """An image by its name, whatever its tag."""
        return self.images.get(name.rsplit(":", 1)[0])

    def tell(self, pod, what):
        with self.lock:
            self.diary.append((time.monotonic(), pod, what))

    def times(self, what, pod=None):
        """When something happened, to any pod or to this one."""
        with self.lock:
            return [at for at, who, said in self.diary if said == what and pod in (None, who)]


class Volumes:
    """What a pod's volumes are on this machine."""

    def __init__(self, node):
        self.node = node

    def folder(self, pod, volume):
        kind = next(key for key in volume if key != "name")
        return getattr(self, kind.lower())(pod, volume[kind], pod.folder / "volumes" / volume["name"])

    @staticmethod
    def own(pod, folder, mode):
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, 0, pod.thing["spec"].get("securityContext", {}).get("fsGroup", 0))
        folder.chmod(mode)
        return folder

    def emptydir(self, pod, _, folder):
        return self.own(pod, folder, 0o2777)

    def persistentvolumeclaim(self, pod, source, _):
        claim = self.node.api.get(f"/api/v1/namespaces/{pod.space}/persistentvolumeclaims/{source['claimName']}")
        if claim["status"].get("phase") != "Bound":
            raise NotYet(f"{source['claimName']} is not bound")
        disk = self.node.api.get(f"/api/v1/persistentvolumes/{claim['spec']['volumeName']}")
        return self.own(pod, Path(disk["spec"]["hostPath"]["path"]), 0o2775)

    def configmap(self, pod, source, folder):
        return self.files(pod, folder, pod.read("configmaps", source["name"], source.get("optional", False)), source.get("items"))

    def secret(self, pod, source, folder):
        return self.files(pod, folder, pod.read("secrets", source["secretName"], source.get("optional", False)), source.get("items"))

    def files(self, pod, folder, data, items=None):
        self.own(pod, folder, 0o755)
        for key, name in ((item["key"], item["path"]) for item in items) if items else ((key, key) for key in data):
            (folder / name).write_text(data[key], encoding="utf-8")
        return folder

    def projected(self, pod, source, folder):
        for each in source["sources"]:
            if "serviceAccountToken" in each:
                self.files(pod, folder, {each["serviceAccountToken"]["path"]: self.token(pod, each["serviceAccountToken"])})
            elif "configMap" in each:
                self.configmap(pod, each["configMap"], folder)
            else:
                fields = {item["path"]: pod.space for item in each["downwardAPI"]["items"]
                          if item["fieldRef"]["fieldPath"] == "metadata.namespace"}
                self.files(pod, folder, fields)
        return folder

    def token(self, pod, wanted):
        bound = {"kind": "Pod", "apiVersion": "v1", "name": pod.title, "uid": pod.uid}
        asked = {"spec": {"expirationSeconds": wanted["expirationSeconds"], "boundObjectRef": bound}}
        account = pod.thing["spec"]["serviceAccountName"]
        return self.node.api.create(f"/api/v1/namespaces/{pod.space}/serviceaccounts/{account}/token", asked)["status"]["token"]


class Node:
    """One node, as big as the brief's."""

    def __init__(self, machines, api, name, status, labels):
        self.machines, self.api, self.name, self.address = machines, api, name, "127.0.0.1"
        self.folder, self.network, self.over = machines.folder / name, machines.network, machines.over
        self.problems, self.image, self.tell, self.hosts = machines.problems, machines.image, machines.tell, machines.hosts
        self.volumes, self.pods = Volumes(self), {}
        self.folder.mkdir(parents=True)
        self.register(status, labels)
        threading.Thread(target=self.beat, daemon=True).start()
        self.watched = Watched(api, "/api/v1/pods", self.changed, fieldSelector=f"spec.nodeName={name}")

    def register(self, status, labels):
        since = now()
        conditions = [{"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": since, "lastTransitionTime": since}]
        conditions += [{"type": kind, "status": "False", "lastHeartbeatTime": since, "lastTransitionTime": since}
                       for kind in ("MemoryPressure", "DiskPressure", "PIDPressure")]
        self.api.create("/api/v1/nodes", {"metadata": {"name": self.name, "labels": labels}})
        self.api.patch(f"/api/v1/nodes/{self.name}/status", {"status": {**status, "conditions": conditions}})
        self.api.create(LEASES, {"metadata": {"name": self.name}, "spec": self.lease()})

    def lease(self):
        return {"holderIdentity": self.name, "leaseDurationSeconds": 40, "renewTime": now().replace("Z", ".000000Z")}

    def beat(self):
        while not self.over.wait(BEAT):
            try:
                self.api.patch(f"{LEASES}/{self.name}", {"spec": self.lease()})
            except (ApiError, OSError) as error:
                if not self.over.is_set():
                    self.tell(self.name, f"no heartbeat: {error}")

    def changed(self, thing, gone):
        """A pod of this node is new, is changed, or is gone."""
        uid = thing["metadata"]["uid"]
        if uid in self.pods:
            self.pods[uid].thing = thing
            if gone:
                # Somebody took it away without waiting for us: there is nobody left to be kind to.
                thing["metadata"].setdefault("deletionTimestamp", now())
                thing["metadata"]["deletionGracePeriodSeconds"] = 0
        elif not gone:
            self.pods[uid] = Pod(self, thing)
            self.pods[uid].start()

    def stop(self):
        self.watched.stop()
        for pod in list(self.pods.values()):
            pod.join(30)
