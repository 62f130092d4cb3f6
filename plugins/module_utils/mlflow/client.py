# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""JSON over HTTP with an MLflow server: one login, retries of what only reads, one deadline.

It runs on the managed host, with whatever Python that has (3.9 on Debian 11) and nothing else than Ansible.
"""

from __future__ import annotations

import json
import re
import time
import typing as t
from dataclasses import dataclass, field
from urllib.parse import urlencode

if t.TYPE_CHECKING:
    from urllib.error import HTTPError

Json = dict[str, t.Any]

V2, V3 = "api/2.0/mlflow", "api/3.0/mlflow"
ONE_ANSWER = 30.0  # seconds to wait for one answer
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0  # seconds between attempts
UNREACHABLE = 10.0  # seconds; what refuses connections for longer is not about to come back
# Another run, or an earlier attempt whose answer was lost, was faster: looking again tells what is left to do.
OVERTAKEN = frozenset({"RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"})


class MlflowError(Exception):
    """What went wrong, in sentences.

    :param status: of HTTP, if there was an answer.
    :param code: MLflow's own name of the error, such as ``RESOURCE_DOES_NOT_EXIST``.
    :param patience: for how many seconds asking again can help.
    """

    def __init__(self, message: str, status: int = 0, code: str = "", patience: float = 0) -> None:
        super().__init__(message)
        self.status, self.code, self.patience = status, code, patience


@dataclass(frozen=True)
class Call:
    """A request that changes something."""

    method: str
    path: str
    body: Json = field(default_factory=dict)


class Client:
    """Asks one server as one user.

    :param params: the options of the module.
    :param opener: Ansible's ``open_url``, or whatever answers like it.
    """

    def __init__(
        self,
        params: Json,
        opener: t.Callable[..., t.Any] | None = None,
        now: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self.username, self._password = params["tracking_username"], params["tracking_password"]
        self.workspace = params["workspace"]
        self._params, self._opener, self._now, self._sleep = params, opener, now, sleep
        self._begin = now()
        self._attempts = 0

    @property
    def server(self) -> str:
        """What errors call it."""
        socket = self._params["unix_socket"]
        return f"The MLflow server at {self._params['tracking_uri']}" + (f" through {socket}" if socket else "")

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self._now() - self._begin

    @property
    def left(self) -> float:
        """Seconds that remain of the option timeout."""
        return float(self._params["timeout"]) - self.elapsed

    def pause(self, error: MlflowError) -> bool:
        """Wait before asking again; False if that cannot help, or no time is left."""
        seconds = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._attempts, 8))
        if self.elapsed + seconds > min(error.patience, float(self._params["timeout"])):
            return False
        self._attempts += 1
        self._sleep(seconds)
        return True

    def get(self, path: str, **query: str) -> Json | None:
        """What is there, or None if MLflow says that there is none."""
        while True:
            try:
                return self.request("GET", f"{path}?{urlencode(query)}" if query else path)
            except MlflowError as error:
                if error.code == "RESOURCE_DOES_NOT_EXIST":
                    return None
                if not self.pause(error):
                    raise

    def change(self, call: Call) -> Json:
        """Send a change, once: whoever lost an answer looks before repeating it."""
        return self.request(call.method, call.path, call.body)

    def accepts(self, username: str, password: str) -> bool:
        """Whether the server lets somebody in with a password, which is how one knows it without changing it."""
        while True:
            try:
                self.request("GET", f"{V2}/users/current", login=(username, password))
            except MlflowError as error:
                if error.status == 401:
                    return False
                if not self.pause(error):
                    raise
            else:
                return True

    def now_logs_in_with(self, password: str) -> None:
        """The caller has changed their own password."""
        self._password = password

    def request(self, method: str, path: str, body: Json | None = None, login: tuple[str, str] | None = None) -> Json:
        """One request, one answer.

        :raises MlflowError: if it is not what was asked for.
        """
        from http.client import HTTPException
        from urllib.error import HTTPError

        from ansible.module_utils.urls import ConnectionError as SetupError
        from ansible.module_utils.urls import open_url

        username, password = login or (self.username, self._password)
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self.workspace:
            headers["X-MLFLOW-WORKSPACE"] = self.workspace
        socket = self._params["unix_socket"]
        opener: t.Callable[..., t.Any] = self._opener or open_url
        try:
            answer = opener(
                f"{self._params['tracking_uri'].rstrip('/')}/{path}",
                data=None if body is None else json.dumps(body),
                headers=headers,
                method=method,
                use_proxy=not socket,
                timeout=max(1.0, min(ONE_ANSWER, self.left)),
                validate_certs=self._params["validate_certs"],
                url_username=username,
                url_password=password,
                force_basic_auth=bool(username),
                follow_redirects="no",
                unix_socket=socket,
                ca_path=self._params["ca_path"],
                use_netrc=False,
            )
            text = answer.read().decode(errors="replace")
        except HTTPError as error:
            raise self._refusal(error, path, username) from None
        except SetupError as error:
            raise MlflowError(f"{self.server} cannot be asked: {error}.") from error
        except (OSError, HTTPException) as error:
            raise self._silence(error) from error
        try:
            document = json.loads(text or "{}")
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise MlflowError(f"{self.server} answers {path} with something else than JSON. Check tracking_uri.")
        return document

    def _silence(self, error: Exception) -> MlflowError:
        """What no answer means."""
        from socket import gaierror
        from ssl import SSLCertVerificationError
        from urllib.error import URLError

        cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
        if isinstance(cause, SSLCertVerificationError):
            return MlflowError(
                f"The certificate of {self.server[4:]} is not trusted: {cause.verify_message}. Give the authority that "
                "signed it, or the certificate itself if it is self-signed, in ca_path."
            )
        never_sent = isinstance(cause, (ConnectionRefusedError, FileNotFoundError, gaierror))
        told = str(cause) or type(cause).__name__
        return MlflowError(
            f"{self.server} does not answer: {told}. Check tracking_uri and unix_socket, and that the server runs.",
            patience=UNREACHABLE if never_sent else float(self._params["timeout"]),
        )

    def _refusal(self, error: HTTPError, path: str, username: str | None) -> MlflowError:
        """What an answer that is an error means."""
        text = error.read().decode(errors="replace")
        try:
            told = json.loads(text)
            code, message = str(told["error_code"]), without_sql(str(told["message"]))
        except (ValueError, KeyError, TypeError):
            code, message = "", "" if "<" in text else text.strip()[:300]
        status = error.code
        if self.workspace and code == "RESOURCE_DOES_NOT_EXIST" and message.startswith("Workspace "):
            return MlflowError(
                f"{self.server} has no workspace {self.workspace!r}. Create it, or check workspace.", status
            )
        return MlflowError(
            self._explained(status, code, message, path, username, str(error.headers.get("Location", ""))),
            status,
            code,
            float(self._params["timeout"]) if status in (429, 500, 502, 503, 504) and code != "FEATURE_DISABLED" else 0,
        )

    def _explained(self, status: int, code: str, message: str, path: str, username: str | None, location: str) -> str:
        if status == 401 and username:
            return (
                f"{self.server} refuses the login of {username!r}. Check tracking_username and tracking_password "
                "(MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD)."
            )
        if status == 401:
            return f"{self.server} wants a login. Give tracking_username and tracking_password."
        if status == 403 and "Host" in message:
            return f"{self.server} refuses the name in tracking_uri: {message}. Use one of its allowed hosts."
        if status == 403:
            return (
                f"{self.server} does not let {username or 'somebody without a login'!r} do this ({path}): "
                f"{message or 'forbidden'}. Log in as an administrator."
            )
        if status in (301, 302, 303, 307, 308):
            return f"{self.server} sends the caller on to {location}. Give that server in tracking_uri."
        if status == 404 and not code and "/users/" in path:
            return (
                f"{self.server} has no users: authentication is not on (mlflow server --app-name basic-auth), or it is "
                "older than MLflow 3.13."
            )
        if status == 404 and not code:
            return f"{self.server} does not know {path}. Check that tracking_uri is that of an MLflow server."
        return f"{self.server} answers {path} with {status}: {(message or code or 'no explanation').rstrip('.')}."


def without_sql(message: str) -> str:
    """MLflow's words without the statement that failed, whose parameters may be the hash of a password."""
    return re.split(r"\s*(?:Error: )?\([\w.]+\)|\s*\[SQL:|\s*\[parameters:", message, maxsplit=1)[0]
