"""What honest machines did at each height are steps of the model of consensus, one after the other (`tests.model`).

Asked in the end of a run, of its whole trace: whatever goes wrong earlier is named by the checker whose it is.
"""

from __future__ import annotations

from tests.model.recording import Recorder
from tests.model.relation import NotAllowedError, follow
from tests.simulation.violation import Violation


def check_traces(recorder: Recorder) -> None:
    """Follow every trace in which there are fewer Byzantine validators than make a quorum by themselves."""
    for trace in recorder.traces():
        if trace.faulty < trace.quorum:
            try:
                follow(trace)
            except NotAllowedError as error:
                raise Violation("model", str(error)) from error
