"""APIs that others serve beside the API server's own: metrics of pods, and custom metrics."""

import base64

from drill_parts import free_port, until
from plane import certificate

SPACE = "kube-system"


def register(plane, name, port, group, versions):
    """The API server asks loopback for what belongs to this group."""
    plane.api.create(f"/api/v1/namespaces/{SPACE}/services", {
        "metadata": {"name": name}, "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]}})
    bundle = base64.b64encode((plane.folder / "ca.crt").read_bytes()).decode()
    for version in versions:
        title = f"{version}.{group}"
        plane.api.create("/apis/apiregistration.k8s.io/v1/apiservices", {
            "metadata": {"name": title},
            "spec": {"group": group, "version": version, "groupPriorityMinimum": 100, "versionPriority": 100, "caBundle": bundle,
                     "service": {"namespace": SPACE, "name": name, "port": port}}})

        def is_there(path=f"/apis/apiregistration.k8s.io/v1/apiservices/{title}"):
            conditions = plane.api.get(path).get("status", {}).get("conditions", [])
            return any(each["type"] == "Available" and each["status"] == "True" for each in conditions)
        until(f"{title} is served", is_there, 120)


def serving(plane, name):
    """A port, and the flags with which a server of ours is known there, and knows who asks."""
    certificate(plane.folder, name, "ca", f"/CN={name}", f"DNS:{name}.{SPACE}.svc,IP:127.0.0.1")
    port, config = free_port(), plane.folder / "admin.kubeconfig"
    return port, [f"--secure-port={port}", "--bind-address=127.0.0.1", f"--tls-cert-file={plane.folder}/{name}.crt",
                  f"--tls-private-key-file={plane.folder}/{name}.key", f"--authentication-kubeconfig={config}",
                  f"--authorization-kubeconfig={config}"]


def serve_metrics(plane):
    """metrics-server, which asks the nodes every 15 s."""
    port, flags = serving(plane, "metrics-server")
    plane.processes.start("metrics-server", [
        "metrics-server", *flags, f"--kubeconfig={plane.folder}/admin.kubeconfig", "--kubelet-use-node-status-port",
        f"--kubelet-certificate-authority={plane.folder}/ca.crt", "--kubelet-preferred-address-types=InternalIP", "--metric-resolution=15s"])
    register(plane, "metrics-server", port, "metrics.k8s.io", ["v1beta1"])


def serve_custom_metrics(plane, prometheus, rules):
    """The adapter, with the rule file of the manifests."""
    port, flags = serving(plane, "adapter")
    plane.processes.start("adapter", ["adapter", *flags, f"--lister-kubeconfig={plane.folder}/admin.kubeconfig", f"--rules={rules}",
                                      f"--prometheus={prometheus}"])
    register(plane, "adapter", port, "custom.metrics.k8s.io", ["v1beta1", "v1beta2"])
