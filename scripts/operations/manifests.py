"""The manifests, built and read."""

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import yaml

from tree import DEPLOY

K8S = DEPLOY / "k8s"
OVERLAYS = ["overlays/us-east-1", "overlays/us-west-2", "overlays/staging"]


def builder():
    """kustomize, or kubectl, which has it built in."""
    if shutil.which("kustomize"):
        return ["kustomize", "build"]
    return ["kubectl", "kustomize"]


@cache
def built(folder):
    """What a kustomization makes, by kind and name."""
    output = subprocess.run([*builder(), str(K8S / folder)], check=True, capture_output=True, text=True).stdout
    return by_name(yaml.safe_load_all(output))


def with_component(overlay, component):
    """An overlay with a component, as somebody would write it into its kustomization."""
    with tempfile.TemporaryDirectory(dir=K8S, prefix=".test-") as name:
        folder = Path(name)
        lines = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
                 "resources": [os.path.relpath(K8S / overlay, folder)],
                 "components": [os.path.relpath(K8S / "components" / component, folder)]}
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(lines), encoding="utf-8")
        output = subprocess.run([*builder(), name], check=True, capture_output=True, text=True).stdout
    return by_name(yaml.safe_load_all(output))


def without_component(overlay, component):
    """An overlay without one of its components, as somebody would take it out."""
    with tempfile.TemporaryDirectory(dir=(K8S / overlay).parent, prefix=".test-") as name:
        shutil.copytree(K8S / overlay, name, dirs_exist_ok=True)
        path = Path(name, "kustomization.yaml")
        lines = yaml.safe_load(path.read_text(encoding="utf-8"))
        lines["components"].remove(os.path.relpath(K8S / "components" / component, K8S / overlay))
        path.write_text(yaml.safe_dump(lines), encoding="utf-8")
        output = subprocess.run([*builder(), name], check=True, capture_output=True, text=True).stdout
    return by_name(yaml.safe_load_all(output))


def by_name(objects):
    return {(thing["kind"], thing["metadata"]["name"]): thing for thing in objects if thing}


def pods(objects):
    """The pod templates, by the workload's name."""
    return {thing["metadata"]["name"]: thing["spec"]["template"] for (kind, _), thing in objects.items()
            if kind in ("Deployment", "StatefulSet")}


def selects(selector, labels):
    """Whether a label selector fits."""
    fits = all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    for rule in selector.get("matchExpressions") or []:
        assert rule["operator"] == "In", rule
        fits = fits and labels.get(rule["key"]) in rule["values"]
    return fits


def cores(quantity):
    return int(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def mebibytes(quantity):
    number, unit = int(quantity[:-2]), quantity[-2:]
    return number * {"Mi": 1, "Gi": 1024}[unit]
