"""What decides the last bits of a training beside its recipe, as the runs of a sweep recorded it."""

from collections.abc import Iterable, Mapping
from typing import Any

_VERSIONS = ("tensorflow", "jax", "jaxlib", "keras", "numpy")


def differences(earlier: Iterable[Mapping[str, Any]], now: Mapping[str, Any]) -> list[str]:
    """How a run differs from what the sweep began with: "keras 3.16.0 instead of 3.15.1".

    Args:
        earlier: the environments of the runs before it; old ones lack some facts, which are then taken from later ones.
    """
    began: dict[str, Any] = {}
    for environment in earlier:
        began = {**_facts(environment), **began}
    facts = _facts(now)
    return [
        f"{name} {facts[name]} instead of {began[name]}"
        for name in facts
        if began.get(name, facts[name]) != facts[name]
    ]


def fingerprints(executions: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The hosts by the fingerprint of their rounding, in the order of the results; old results have neither."""
    hosts: dict[str, dict[str, None]] = {}
    for execution in executions:
        if "fingerprint" in execution:
            hosts.setdefault(execution["fingerprint"], {})[execution["host"]] = None
    return {fingerprint: list(names) for fingerprint, names in hosts.items()}


def rounding_words(executions: Iterable[Mapping[str, Any]]) -> str:
    """That results were computed with different rounding, and where; empty where all were rounded alike."""
    ways = [f"{fingerprint} on {', '.join(hosts)}" for fingerprint, hosts in fingerprints(executions).items()]
    return (
        f"Not all results of this sweep were rounded alike, as their fingerprints tell ({'; '.join(ways)}): "
        "with equal seeds they agree up to rounding only"
        if len(ways) > 1
        else ""
    )


def _facts(environment: Mapping[str, Any]) -> dict[str, Any]:
    versions = environment.get("versions", {})
    stack = {"stack": environment["stack"]} if "stack" in environment else {}
    return {
        **{name: versions[name] for name in _VERSIONS if name in versions},
        **environment.get("arithmetic", {}),
        **stack,
    }
