"""The commands of a runbook's page: those in its blocks, and those that stand in a sentence."""

import re
import shlex

INLINE = re.compile(r"(?<!`)`((?:kubectl|make|voice-agent|curl) [^`]+)`(?!`)")


def commands(text):
    """Every command, one a line; the `&` that sends one to the background is left out."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    found = [line for block in blocks for line in block.splitlines() if line.strip()]
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    found += [match.replace("\\|", "|") for match in INLINE.findall(prose)]
    return [line.removesuffix("&").strip() for line in found]


def stages(command):
    """A command's words, a list for each command of its pipe."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|")
    lexer.whitespace_split = True
    lexer.commenters = ""
    result = [[]]
    for word in lexer:
        if word == "|":
            result.append([])
        else:
            result[-1].append(word)
    return result


def expressions(command):
    """The queries to Prometheus in a command."""
    return [words[words.index("instant") + 2] for words in stages(command) if "promtool" in words and "instant" in words]
