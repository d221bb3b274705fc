"""What a doctor found, in words: each finding with its remedy, the worst first."""

from __future__ import annotations

import msgspec

from node.commands.answers import read_answer
from node.commands.failures import printable


class FindingAnswer(msgspec.Struct):
    """One finding of an answer."""

    code: str
    severity: str
    sentence: str
    remedy: str
    validators: list[str] = []
    for_ms: int | None = None


class Diagnosis(msgspec.Struct):
    """The answer of `/v1/doctor`."""

    healthy: bool
    findings: list[FindingAnswer]


def parse_findings(body: bytes) -> Diagnosis:
    """The answer of `/v1/doctor`. Raises `MalformedError` for another."""
    return read_answer(body, Diagnosis)


def describe_findings(diagnosis: Diagnosis) -> str:
    """The findings as lines for people."""
    lines = []
    for finding in diagnosis.findings:
        lines.append(f"{finding.severity:<8} {finding.sentence}")
        lines.append(f"{'':<8} -> {finding.remedy}")
    if diagnosis.healthy:
        lines.append("nothing is wrong")
    return "\n".join(map(printable, lines))
