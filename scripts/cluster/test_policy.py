"""What kube-score says of the manifests: nothing, but for what is here with its reason."""

import json
import subprocess
import unittest

from manifests import K8S, OVERLAYS, builder

# Below this a check is a warning, or worse.
GOOD = 10
# (check, object's name or `*`): why it is as it is. Each must be said of something, or it goes.
EXCEPTIONS = {
    ("container-image-pull-policy", "*"): "tags are fixed: a pod that starts again must not depend on the registry",
    ("deployment-targeted-by-hpa-does-not-have-replicas-configured", "voice-agent"): "the brief's manifest has `replicas: 3`",
    ("deployment-replicas", "alertmanager"): "two would have to agree on whom they told; Prometheus keeps what one has missed",
    ("deployment-strategy", "alertmanager"): "two at a time would tell everything twice",
    ("deployment-replicas", "blackbox-exporter"): "it keeps nothing, and is started again within seconds",
}


def complaints(folder):
    """`(check, object, what it says)` for all that is not good in a kustomization."""
    text = subprocess.run([*builder(), str(K8S / folder)], check=True, capture_output=True, text=True).stdout
    done = subprocess.run(["kube-score", "score", "--output-format", "json", "--kubernetes-version", "v1.37", "-"], input=text,
                          capture_output=True, text=True)
    for thing in json.loads(done.stdout):
        for check in thing["checks"]:
            if not check["skipped"] and check["grade"] < GOOD:
                said = "; ".join(f"{each['path']} {each['summary']}".strip() for each in check["comments"] or [])
                yield check["check"]["id"], thing["object_meta"]["name"], said


class PolicyTest(unittest.TestCase):
    def test_kube_score_finds_nothing_that_is_not_meant_so(self):
        used, found = set(), []
        for folder in [*OVERLAYS, "monitoring"]:
            for check, name, said in complaints(folder):
                reason = next((key for key in ((check, name), (check, "*")) if key in EXCEPTIONS), None)
                used.add(reason)
                if reason is None:
                    found.append(f"{folder}: {name}: {check}: {said}")
        self.assertEqual(found, [], "\n".join(found))
        self.assertEqual(set(EXCEPTIONS) - used, set(), "of these nothing is said any more")


if __name__ == "__main__":
    unittest.main()
