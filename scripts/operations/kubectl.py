"""What of kubectl the runbooks use: verbs, their flags, and what they are done to. A flag that is not here is a typing error, or new: `kubectl VERB
--help` says which, and it is added."""

import re

# Flags of every verb, and of each. Those that end in = want a value.
EVERYWHERE = {"--context=", "--namespace=", "-n="}
VERBS = {
    "apply": {"-f=", "-k="},
    "cp": set(),
    "create secret generic": {"--from-env-file=", "--dry-run=", "-o="},
    "create secret tls": {"--cert=", "--key=", "--dry-run=", "-o="},
    "delete": {"--force", "--grace-period=", "--wait"},
    "describe": set(),
    "drain": {"--ignore-daemonsets", "--delete-emptydir-data"},
    "exec": set(),
    "get": {"-l=", "-o=", "--sort-by="},
    "logs": {"-l=", "--since=", "--tail=", "--prefix", "--previous", "--timestamps"},
    "patch": {"--patch=", "--type="},
    "port-forward": set(),
    "rollout history": set(),
    "rollout pause": set(),
    "rollout restart": set(),
    "rollout resume": set(),
    "rollout status": set(),
    "rollout undo": set(),
    "scale": {"--replicas="},
    "set env": set(),
    "top pods": {"-l="},
}
# How many words a verb takes at least, flags left out; a selector may stand for the second of `get`, `delete` and `logs`.
LEAST = {"cp": 2, "create secret generic": 1, "create secret tls": 1, "delete": 2, "describe": 1, "drain": 1, "exec": 1, "get": 1,
         "patch": 2, "port-forward": 2, "set env": 2, "apply": 0, "logs": 0, "top pods": 0}
KINDS = {"certificate", "certificaterequest", "deployment", "endpoints", "events", "hpa", "ingress", "networkpolicy", "node",
         "nodes", "order", "pod", "pods", "secret", "service", "statefulset"}


def parsed(words):
    """The verb of a kubectl command, the words that it is given, its flags, and what is wrong with it."""
    end = words.index("--") if "--" in words else len(words)
    plain, flags, problems, rest = [], {}, [], iter(words[1:end])
    for word in rest:
        if not word.startswith("-") or word == "-":
            plain.append(word)
            continue
        name, equals, value = word.partition("=")
        verb = verb_of(plain)
        known = EVERYWHERE | (VERBS[verb] if verb else set())
        if f"{name}=" in known:
            flags[name] = value if equals else next(rest, "")
            if not flags[name]:
                problems.append(f"{name} has no value")
        elif name in known:
            flags[name] = value
        else:
            problems.append(f"{name} is no flag of {verb or 'kubectl'}")
    verb = verb_of(plain)
    if not verb:
        return "", plain, flags, [*problems, f"{' '.join(plain)} is no verb"]
    given = plain[len(verb.split()):]
    if len(given) < LEAST.get(verb, 1) and not (verb == "delete" and "-l" in flags):
        problems.append(f"{verb} of what?")
    if verb == "exec" and end == len(words):
        problems.append("-- has to stand before the command")
    return verb, given, flags, problems


def verb_of(plain):
    """The longest verb that these words begin with."""
    return next((verb for verb in (" ".join(plain[:count]) for count in (3, 2, 1)) if verb in VERBS), "")


def targets(verb, given):
    """What a command is done to, as pairs of kind and name; no name where all are meant."""
    if verb in {"get", "delete", "describe", "patch"}:
        kinds, *names = given
        if "/" not in kinds:
            return [(kind, name) for kind in kinds.split(",") for name in names[:1] or [""]]
    if verb in {"exec", "logs", "cp"}:
        return [pair(word.split(":/")[0]) for word in given[:1]]
    if verb in {"apply", "create secret generic", "create secret tls", "drain", "top pods"}:
        return []
    return [pair(word) for word in given[:1]]


def pair(word):
    kind, slash, name = word.partition("/")
    return (kind, name) if slash else ("pod", word)


def long(kind):
    """A kind as the manifests have it."""
    names = {"deploy": "Deployment", "deployment": "Deployment", "statefulset": "StatefulSet", "svc": "Service", "service": "Service",
             "hpa": "HorizontalPodAutoscaler", "ingress": "Ingress", "endpoints": "Service", "networkpolicy": "NetworkPolicy",
             "secret": "Secret", "pod": "Pod", "pods": "Pod"}
    return names.get(kind, kind)


def is_variable(name):
    return bool(re.fullmatch(r"\$[A-Z]+", name))
