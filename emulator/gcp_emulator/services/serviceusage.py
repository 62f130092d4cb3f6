# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Service Usage: which APIs a project has enabled."""

from __future__ import annotations

import secrets

from gcp_emulator import accounts
from gcp_emulator.discovery import known_services
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.base import Call, Service, applies, handles, page

_TYPE = "type.googleapis.com/google.api.serviceusage.v1."
# The most that one batchEnable and one batchGet take (discovery; of batchGet documentation).
BATCH, READ = 20, 30
# What a service needs, of what the sandbox has (issues: magic-modules#4200, terraform-provider-google#5424 and #5304).
_NEEDS = {
    "compute.googleapis.com": frozenset({"oslogin.googleapis.com"}),
    "container.googleapis.com": frozenset({"compute.googleapis.com"}),
    "bigquerystorage.googleapis.com": frozenset({"bigquery.googleapis.com"}),
}
# What cannot work without billing, of what the sandbox has.
_PAID = frozenset({"compute.googleapis.com", "sqladmin.googleapis.com", "secretmanager.googleapis.com"})


class ServiceUsage(Service):
    """Enabling takes an operation; what is enabled already is done at once."""

    api = "serviceusage"

    @handles("serviceusage.services.get")
    def get(self, call: Call) -> Json:
        """One service of a project, enabled or not."""
        _projects, project, _services, service = call.resource.split("/")
        self._check_known(project, [service])
        return self._view(project, service)

    @handles("serviceusage.services.list")
    def list_services(self, call: Call) -> Json:
        """The services of a project; ``state:ENABLED`` and ``state:DISABLED`` filter them."""
        project = call.resource.split("/")[1]
        enabled = set(self._project(project)["services"])
        wanted = call.first("filter").partition(":")[2]
        names = enabled if wanted == "ENABLED" else (known_services() | enabled) - (enabled if wanted else set())
        shown, token = page(sorted(names), call, 50, 200)  # 50 on a page, 200 at most (discovery)
        answer: Json = {"services": [self._view(project, name) for name in shown]} if shown else {}
        return answer | ({"nextPageToken": token} if token else {})

    @handles("serviceusage.services.batchGet")
    def batch_get(self, call: Call) -> Json:
        """Several services."""
        project = call.resource.split("/")[1]
        names = [name.rpartition("/")[2] for name in call.query.get("names", [])]
        if len(names) > READ:  # unverified wording
            raise ApiError(400, f"Too many services in one batch: {len(names)}, at most {READ}.", "badRequest")
        self._check_known(project, names)
        return {"services": [self._view(project, name) for name in names]}

    @handles("serviceusage.services.enable")
    def enable(self, call: Call) -> Json:
        """Enable one service."""
        _projects, project, _services, service = call.resource.split("/")
        return self._enable(project, [service], "EnableServiceResponse")

    @handles("serviceusage.services.batchEnable")
    def batch_enable(self, call: Call) -> Json:
        """Enable several services, or none of them."""
        services = call.body.get("serviceIds", [])
        if not services:  # unverified wording
            raise ApiError(400, "At least one service must be specified.", "badRequest")
        if len(services) > BATCH:  # discovery; unverified wording
            raise ApiError(400, f"Too many services in one batch: {len(services)}, at most {BATCH}.", "badRequest")
        return self._enable(call.resource.split("/")[1], services, "BatchEnableServicesResponse")

    @handles("serviceusage.services.disable")
    def disable(self, call: Call) -> Json:
        """Disable one service."""
        _projects, project, _services, service = call.resource.split("/")
        self._check_known(project, [service])
        enabled = set(self._project(project)["services"])
        if service not in enabled:  # discovery; unverified wording
            raise ApiError(400, f"The service {service} is not enabled.", status="FAILED_PRECONDITION")
        dependents = sorted(name for name in enabled if service in _needs(name))
        if dependents and not call.body.get("disableDependentServices"):
            # issue: terraform-google-project-factory#168
            raise ApiError(
                400,
                f"The service {service} is depended on by the following active service{'s'[: len(dependents) - 1]}: "
                f"{','.join(dependents)}; Please specify disable_dependent_services=true if you want to proceed with "
                "disabling all services.",
                status="FAILED_PRECONDITION",
            )
        return self._start("serviceusage.disable", project, [service, *dependents], "DisableServiceResponse")

    @handles("serviceusage.operations.get")
    def get_operation(self, call: Call) -> Json:
        """How far an operation is."""
        if call.resource == "operations/noop.DONE_OPERATION":
            return {"name": call.resource, "done": True, "response": {"@type": f"{_TYPE}EnableServiceResponse"}}
        record = self.cloud.operations.get(f"serviceusage/{call.resource}")
        if record is None:
            raise ApiError(404, "Requested entity was not found.", "notFound")
        return self._operation(record)

    @applies("serviceusage.enable")
    def apply_enable(self, project: str, services: list[str]) -> None:
        """Enable them; Compute comes with the account that VMs run as by default."""
        with self.store.lock:
            document = self._project(project)
            # What a service needs is enabled with it (documentation: dependencies of services).
            wanted = {*services, *_all_needs(services)}
            self.cloud.propagation.services_enabled(project, wanted - set(document["services"]))
            document["services"] = sorted({*document["services"], *wanted})
            self.store.put("projects", project, document)
            default = accounts.default_compute_account(document)
            if "compute.googleapis.com" in wanted and self.store.get("serviceAccounts", default) is None:
                accounts.create_account(self.store, project, default, "Compute Engine default service account")

    @applies("serviceusage.disable")
    def apply_disable(self, project: str, services: list[str]) -> None:
        """Disable them."""
        with self.store.lock:
            document = self._project(project)
            document["services"] = sorted(set(document["services"]) - set(services))
            self.store.put("projects", project, document)

    def _enable(self, project: str, services: list[str], response: str) -> Json:
        self._check_known(project, services)
        document = self._project(project)
        missing = sorted(set(services) - set(document["services"]))
        if not missing:
            return self._done(project, services, response)
        if not document["billing"] and (paid := ",".join(sorted(_PAID.intersection(missing)))):
            # issue: kyegomez/zeta#71
            number = document["projectNumber"]
            info = {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "UREQ_PROJECT_BILLING_NOT_FOUND",
                "domain": "serviceusage.googleapis.com/billing-enabled",
                "metadata": {"project": number, "services": paid},
            }
            raise ApiError(
                400,
                f"Billing account for project '{number}' is not found. Billing must be enabled for activation of "
                f"service(s) '{paid}' to proceed.",
                status="FAILED_PRECONDITION",
                details=[info],
            )
        return self._start("serviceusage.enable", project, services, response)

    def _start(self, action: str, project: str, services: list[str], response: str) -> Json:
        name = f"operations/acat.p2-{self._project(project)['projectNumber']}-{secrets.token_hex(16)}"
        record = self.cloud.operations.start(
            f"serviceusage/{name}",
            action,
            {"project": project, "services": services},
            target=f"projects/{project}/services",
            view={"name": name, "response": response},
        )
        return self._operation(record)

    def _operation(self, record: Json) -> Json:
        project, services = record["arguments"]["project"], record["arguments"]["services"]
        names = [f"services/{service}/projectSettings/{project}" for service in services]
        metadata = {"@type": f"{_TYPE}OperationMetadata", "resourceNames": names}
        view: Json = {"name": record["view"]["name"], "metadata": metadata}
        if record["state"] != "DONE":
            return view
        if record["error"]:
            return view | {"done": True, "error": {"code": 13, "message": record["error"]["message"]}}
        return view | {"done": True, "response": self._response(project, services, record["view"]["response"])}

    def _done(self, project: str, services: list[str], response: str) -> Json:
        """What Google answers if nothing is to be done."""
        answer = self._response(project, services, response)
        return {"name": "operations/noop.DONE_OPERATION", "done": True, "response": answer}

    def _response(self, project: str, services: list[str], response: str) -> Json:
        views = [self._view(project, service) for service in services]
        plural = response == "BatchEnableServicesResponse"
        return {"@type": f"{_TYPE}{response}"} | ({"services": views} if plural else {"service": views[0]})

    def _view(self, project: str, service: str) -> Json:
        document = self._project(project)
        parent = f"projects/{document['projectNumber']}"
        return {
            "name": f"{parent}/services/{service}",
            "config": {"name": service, "title": service.partition(".")[0]},
            "state": "ENABLED" if service in document["services"] else "DISABLED",
            "parent": parent,
        }

    def _check_known(self, project: str, services: list[str]) -> None:
        unknown = sorted(set(services) - known_services() - set(self._project(project)["services"]))
        if unknown:
            names = ", ".join(unknown)
            info = {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "SERVICE_CONFIG_NOT_FOUND_OR_PERMISSION_DENIED",
                "domain": "serviceusage.googleapis.com",
                "metadata": {"services": names},
            }
            # unverified wording
            raise ApiError(403, f"Not found or permission denied for service(s): {names}.", details=[info])

    def _project(self, name: str) -> Json:
        return self.store.get("projects", name) or {"projectNumber": "0", "services": [], "billing": False}


def _needs(service: str) -> frozenset[str]:
    """What a service depends on, directly or by what it depends on."""
    direct = _NEEDS.get(service, frozenset())
    return direct.union(*map(_needs, direct))


def _all_needs(services: list[str]) -> frozenset[str]:
    return frozenset[str]().union(*map(_needs, services))
