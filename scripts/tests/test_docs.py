"""The documents against the tree: every dependency has its reason, every relative link leads somewhere."""

import json
import re
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def tracked(*patterns):
    output = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
                            cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in output.split("\0") if name and (ROOT / name).exists()]


def crate_names():
    """The names in every dependency table of every manifest of the workspace, our own crates excepted."""
    own = {path.parent.name for path in tracked("crates/*/Cargo.toml")}
    names, table = set(), False
    for path in [ROOT / "Cargo.toml", *tracked("crates/*/Cargo.toml")]:
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("["):
                single = re.match(r"\[(?:.*\.)?(?:dev-|build-)?dependencies\.([\w-]+)\]", line)
                if single:
                    names.add(single.group(1))
                table = bool(re.match(r"\[(?:.*[.])?(?:dev-|build-)?dependencies\]", line))
            elif table and (match := re.match(r"([\w-]+)(?:\.workspace)?\s*=", line)):
                names.add(match.group(1))
    return names - own


def package_names():
    manifest = ROOT / "web/package.json"
    if not manifest.exists():
        return set()
    content = json.loads(manifest.read_text(encoding="utf-8"))
    return {*content.get("dependencies", {}), *content.get("devDependencies", {})}


class DocsTest(unittest.TestCase):
    def listed(self, heading):
        text = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
        section = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
        rows = re.findall(r"^\| `([^`]+)` \| [^|]+ \| ([^|]+) \|$", section, re.MULTILINE)
        for name, reason in rows:
            self.assertTrue(reason.strip(), f"{name} has no reason")
        return {name for name, _ in rows}

    def test_every_crate_has_its_reason(self):
        self.assertEqual(self.listed("Rust"), crate_names())

    def test_every_package_of_the_page_has_its_reason(self):
        self.assertEqual(self.listed("Page"), package_names())

    def test_relative_links_lead_somewhere(self):
        broken = []
        for path in tracked("*.md"):
            text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
            for target in re.findall(r"\]\(([^)\s]+)\)", text):
                if "://" in target or target.startswith(("#", "mailto:")):
                    continue
                if not (path.parent / target.split("#")[0]).exists():
                    broken.append(f"{path.relative_to(ROOT)}: {target}")
        self.assertEqual(broken, [])

    def test_every_decision_is_in_the_list(self):
        records = {path.name for path in tracked("docs/adr/0*.md")}
        listed = set(re.findall(r"\]\((0\d{3}-[\w-]+\.md)\)", (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")))
        self.assertEqual(records, listed)


if __name__ == "__main__":
    unittest.main()
