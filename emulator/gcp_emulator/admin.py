# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The admin API: what the proxy's own port answers for ``/faults`` and ``/requests``."""

from __future__ import annotations

import typing as t

from gcp_emulator.calls import CallLog
from gcp_emulator.errors import Json
from gcp_emulator.faults import Fault, FaultError, Faults


class Admin:
    """The admin API."""

    def __init__(self, faults: Faults, calls: CallLog) -> None:
        self._faults, self._calls = faults, calls

    def answer(self, verb: str, path: str, body: t.Any) -> tuple[int, Json]:
        """Status and body; 404 for what is none of its paths.

        :param body: JSON; None if there is none.
        """
        first, _slash, number = path.removeprefix("/").partition("/")
        try:
            match verb, first:
                case "GET", "faults" if not number:
                    return 200, {"faults": [armed.view() for armed in self._faults]}
                case "POST", "faults" if not number:
                    return 200, self._faults.add(fault_of(body)).view()
                case "DELETE", "faults":
                    if not number:
                        self._faults.clear()
                    elif number.isdigit():
                        self._faults.remove(int(number))
                    else:
                        raise FaultError(f"{number} is no number of a fault.")
                    return 200, {}
                case "GET", "requests" if not number:
                    return 200, {"requests": [record._asdict() for record in self._calls]}
                case "DELETE", "requests" if not number:
                    self._calls.clear()
                    return 200, {}
        except FaultError as error:
            return 400, {"error": str(error)}
        return 404, {"error": f"{verb} {path} is not something that can be asked: see docs/emulator.md."}


_FORMS: dict[str, tuple[type, ...]] = {
    "method": (str,),
    "kind": (str,),
    "call": (int, type(None)),
    "seconds": (int, float),
    "retry_after": (int,),
}


def fault_of(document: t.Any) -> Fault:
    """A fault as JSON tells it.

    :raises FaultError: it does not.
    """
    if not isinstance(document, dict) or not {"method", "kind"} <= document.keys() <= _FORMS.keys():
        raise FaultError(f"A fault is a JSON object with method and kind, and of {', '.join(_FORMS)}.")
    for name, value in document.items():
        if isinstance(value, bool) or not isinstance(value, _FORMS[name]):
            raise FaultError(f"{value!r} is no {name}.")
    return Fault(**document)
