"""What a pod's image is on a node of our own: the real program, in a root file system that is this machine's /usr and no more."""

import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tree import ROOT

# Made in the pod's mount namespace, then it is the program's root. The arguments: the root, whether it is written to, user:group,
# then `FROM TO` for each thing that is mounted, `--`, and the command.
ENTER = r"""
set -e
root=$1 ro=$2 user=$3 group=$4; shift 4
mount --make-rprivate /
mount -t tmpfs -o mode=755 root "$root"
mkdir -p "$root/usr" "$root/etc" "$root/proc" "$root/dev"
for link in bin sbin lib lib64; do ln -s "usr/$link" "$root/$link"; done
mount --bind /usr "$root/usr" && mount -o remount,bind,ro "$root/usr"
for thing in passwd group nsswitch.conf localtime ld.so.cache ssl; do cp -a "/etc/$thing" "$root/etc/"; done
mount --rbind /dev "$root/dev"
mount --bind /proc "$root/proc"
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then mkdir -p "$root$2"; else mkdir -p "$(dirname "$root$2")"; [ -e "$root$2" ] || : >"$root$2"; fi
    mount --bind "$1" "$root$2"
    shift 2
done
shift
if [ "$ro" = yes ]; then mount -o remount,ro "$root"; fi
cd /
exec chroot "$root" setpriv --reuid "$user" --regid "$group" --clear-groups --no-new-privs --bounding-set=-all "$@"
"""


@dataclass
class Image:
    """A program: its command, its environment, and what of this machine it needs beside /usr."""

    command: list
    env: dict = field(default_factory=dict)
    mounts: list = field(default_factory=list)
    # What the image's own configuration adds when its program is started by the pod's command.
    more: list = field(default_factory=list)


def agents(target):
    """The agent's image: the release binary, and what the image recipe sets."""
    text = (ROOT / "deploy/image/Containerfile").read_text(encoding="utf-8").rsplit("\nFROM ", 1)[1]
    env = dict(re.findall(r"(?:^ENV|^   ) (\w+)=(\S+)", text, re.MULTILINE)) | {"MODELS_DIR": "/image/models"}
    models = Path.home() / ".cache/voice-agent/models"
    return Image(["/image/voice-agent", "serve"], env,
                 [(Path(target) / "voice-agent", "/image/voice-agent"), (models, "/image/models")])


def images(target):
    """The images that a node of our own has; any other one cannot be pulled."""
    # Redis' own image turns the protected mode off.
    found = {"redis": Image([], more=["--protected-mode", "no", "--dir", "/data"])}
    if shutil.which("prometheus"):
        found["prom/prometheus"] = Image(["/image/prometheus"], mounts=[(Path(shutil.which("prometheus")), "/image/prometheus")])
    found["your-registry/task-manager-voice"] = agents(target)
    return found
