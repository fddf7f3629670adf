"""A control plane: etcd, the API server, the controllers and the scheduler, as they are shipped, on loopback."""

import os
import secrets
import subprocess
from pathlib import Path

import yaml

from api import Api, ApiError
from drill_parts import Processes, free_port, until
from pace import SHARE

SERVICES = "10.96.0.0/16"
# The names by which the API server itself is called.
NAMES = "DNS:localhost,IP:127.0.0.1,IP:10.96.0.1"


def openssl(*words):
    subprocess.run(["openssl", *[str(word) for word in words]], check=True, capture_output=True)


def authority(folder, name):
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj", f"/CN={name}", "-keyout", folder / f"{name}.key",
            "-out", folder / f"{name}.crt")


def certificate(folder, name, signer, subject, names=NAMES):
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj", subject, "-CA", folder / f"{signer}.crt",
            "-CAkey", folder / f"{signer}.key", "-addext", f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:FALSE",
            "-addext", "extendedKeyUsage=serverAuth,clientAuth", "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt")


class Plane:
    """One control plane, with everybody who speaks to it known by a token."""

    def __init__(self, processes: Processes):
        self.processes, self.folder = processes, Path(processes.folder) / "plane"
        self.folder.mkdir()
        self.port, self.etcd = free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.users = {"admin": "system:masters", "system:kube-controller-manager": "", "system:kube-scheduler": "", "kwok": "system:masters"}
        self.tokens = {}

    def start(self, nodes=()):
        """Starts it. `nodes` are those that are of our own: each is known as a kubelet is."""
        self.users |= {f"system:node:{name}": "system:nodes" for name in nodes}
        self.write_identities()
        self.start_etcd()
        self.start_server()
        self.api = self.client("admin")
        until("the API server is ready", self.is_ready, 120)
        self.start_controllers()
        until("the default service account", lambda: self.api.find("/api/v1/namespaces/default/serviceaccounts/default"), 60)
        return self

    def client(self, user):
        return Api(self.url, self.folder / "ca.crt", self.tokens[user])

    def is_ready(self):
        try:
            return self.api.get("/readyz") == "ok"
        except (ApiError, OSError):
            return False

    def write_identities(self):
        folder = self.folder
        authority(folder, "ca")
        authority(folder, "front-proxy-ca")
        certificate(folder, "server", "ca", "/CN=kube-apiserver")
        certificate(folder, "front-proxy", "front-proxy-ca", "/CN=front-proxy")
        openssl("genrsa", "-out", folder / "accounts.key", 2048)
        openssl("rsa", "-in", folder / "accounts.key", "-pubout", "-out", folder / "accounts.pub")
        lines = []
        for user, group in self.users.items():
            self.tokens[user] = secrets.token_hex(16)
            lines.append(f'{self.tokens[user]},{user},{user},"{group}"' if group else f"{self.tokens[user]},{user},{user}")
            self.kubeconfig(user)
        (folder / "tokens.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def kubeconfig(self, user):
        path = self.folder / f"{user.replace(':', '-')}.kubeconfig"
        path.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": self.url, "certificate-authority": str(self.folder / "ca.crt")}}],
            "users": [{"name": "it", "user": {"token": self.tokens[user]}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}]}), encoding="utf-8")
        return path

    def start_etcd(self):
        peer, folder = free_port(), self.folder
        own, other = f"http://127.0.0.1:{self.etcd}", f"http://127.0.0.1:{peer}"
        self.processes.start("etcd", ["etcd", "--data-dir", folder / "etcd", "--listen-client-urls", own, "--advertise-client-urls", own,
                                      "--listen-peer-urls", other, "--initial-advertise-peer-urls", other, "--initial-cluster",
                                      f"default={other}"])

    def start_server(self):
        folder = self.folder
        self.processes.start("kube-apiserver", [
            "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{self.etcd}", f"--secure-port={self.port}", "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none", f"--tls-cert-file={folder}/server.crt",
            f"--tls-private-key-file={folder}/server.key", f"--client-ca-file={folder}/ca.crt", f"--token-auth-file={folder}/tokens.csv",
            "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
            # Debian's etcd cannot say how far a watch is, which lists by watches need: a client that tries waits ever longer between its tries.
            "--feature-gates=WatchList=false",
            "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={folder}/accounts.pub",
            f"--service-account-signing-key-file={folder}/accounts.key", f"--service-cluster-ip-range={SERVICES}",
            # For the APIs of others, which are served beside it: metrics, and custom metrics.
            f"--requestheader-client-ca-file={folder}/front-proxy-ca.crt", "--requestheader-allowed-names=front-proxy",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User", f"--proxy-client-cert-file={folder}/front-proxy.crt",
            f"--proxy-client-key-file={folder}/front-proxy.key"])

    def start_controllers(self):
        """Both with Kubernetes' own defaults (a silent node is given 50 s), but that the autoscaler looks more often where its pace is quickened."""
        folder = self.folder
        for program, user, more in (
                ("kube-controller-manager", "system:kube-controller-manager",
                 [f"--service-account-private-key-file={folder}/accounts.key", f"--root-ca-file={folder}/ca.crt",
                  "--use-service-account-credentials=true", f"--horizontal-pod-autoscaler-sync-period={15 // SHARE}s"]),
                ("kube-scheduler", "system:kube-scheduler", [])):
            kubeconfig = folder / f"{user.replace(':', '-')}.kubeconfig"
            self.processes.start(program, [
                program, f"--kubeconfig={kubeconfig}", f"--authentication-kubeconfig={kubeconfig}",
                f"--authorization-kubeconfig={kubeconfig}", "--leader-elect=false", "--bind-address=127.0.0.1",
                f"--secure-port={free_port()}", f"--cert-dir={folder}/{program}", *more])

    def kubectl(self, *words, stdin=None, check=True):
        """What kubectl says, and whether it went well; it raises with what kubectl complained of."""
        environment = {**os.environ, "KUBECONFIG": str(self.folder / "admin.kubeconfig"), "HOME": str(self.folder)}
        done = subprocess.run(["kubectl", *[str(word) for word in words]], input=stdin, env=environment, capture_output=True, text=True,
                              timeout=300)
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(str(word) for word in words)}: {done.stderr.strip()}")
        return done
