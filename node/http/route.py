"""What is declared about one route: the document and the server are both made from it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ledger.refusals import Code
from node.http.access import Audience
from node.http.call import JSON, Live, Read
from node.http.parameters import PATH_PARAMETERS, AnyParameter
from node.http.problems import HttpCode

_BRACES = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path. `answers` names the schema of a success; `statuses` are those that it can have.

    `headers` are those of a success that it has for itself; `audience` is whom it answers on a node that has tokens.
    """

    method: str
    path: str
    handler: Read | Live
    summary: str
    answers: str
    parameters: tuple[AnyParameter, ...] = ()
    problems: tuple[Code | HttpCode, ...] = ()
    media_type: str = JSON
    statuses: tuple[int, ...] = (200,)
    accepts: tuple[str, ...] = ()
    waits: bool = False
    headers: tuple[str, ...] = ()
    audience: Audience = Audience.READERS

    @property
    def path_parameters(self) -> tuple[AnyParameter, ...]:
        """The parameters in the path, in its order."""
        return tuple(PATH_PARAMETERS[name] for name in _BRACES.findall(self.path))

    @property
    def makes_answers(self) -> bool:
        """Whether an answer may be large and is made for this request alone: of submissions they are small, and what is
        for everybody is there already."""
        return self.method == "GET" and self.audience is not Audience.EVERYBODY

    @property
    def pattern(self) -> str:
        """The path as the router matches it."""
        slashed = [parameter.name for parameter in self.path_parameters if parameter.has_slashes]
        return _BRACES.sub(lambda found: f"{{{found[1]}:(?s:.+)}}" if found[1] in slashed else found[0], self.path)

    @property
    def query_names(self) -> frozenset[str]:
        """The names that the query may have."""
        return frozenset(parameter.name for parameter in self.parameters)
