"""What became of the variables of a batch, as its caller is told. Path: variable calls, link sets -> [batch outcome] -> session. Pure."""

from typing import Any, Dict, Iterable, Mapping

from .errors import BatchRefusedError, BridgeError, ErrorDetails, RefusedVariable


def are_made(outcomes: Iterable[Any]) -> bool:
    """Each is a version."""
    for outcome in outcomes:
        if type(outcome) is not int:
            return False
    return True


def versions_of(outcomes: Mapping[str, Any], count: int) -> Dict[str, int]:
    """Of `count` variables. Raises BatchRefusedError, or what became of one where that is not a refusal."""
    if are_made(outcomes.values()):
        return dict(outcomes)
    versions: Dict[str, int] = {}
    refused: Dict[str, RefusedVariable] = {}
    # Another one of their atomic batch was refused.
    blameless: Dict[str, RefusedVariable] = {}
    for identifier, outcome in outcomes.items():
        if isinstance(outcome, int):
            versions[identifier] = outcome
        elif isinstance(outcome, BridgeError) and outcome.code not in ("UNKNOWN_OUTCOME", "UNAVAILABLE", "CLOSED"):
            of_whom = blameless if outcome.code == "BATCH_REFUSED" else refused
            of_whom[identifier] = RefusedVariable(outcome.code, outcome.message)
        else:
            raise outcome
    refused = refused or blameless
    if not refused:
        return versions
    shown = "; ".join(one.message for one in list(refused.values())[:3])
    raise BatchRefusedError(
        f"{len(refused)} of {count} variables were refused: {shown}: look at error.details.refused",
        details=ErrorDetails(identifiers=tuple(refused), refused=refused, versions=versions),
    )
