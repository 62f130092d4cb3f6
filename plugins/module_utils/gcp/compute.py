# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all resources of Compute Engine have in common."""

from __future__ import annotations

import typing as t
import uuid

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan, Resource

PROJECT = "https://www.googleapis.com/compute/v1/projects/{project}"
IN_REGION, IN_ZONE = f"{PROJECT}/regions/{{region}}", f"{PROJECT}/zones/{{zone}}"
NETWORK = f"{PROJECT}/global/networks/{{value}}"
SUBNETWORK = f"{IN_REGION}/subnetworks/{{value}}"


class ComputeResource(Resource):
    """Every write carries a request ID, by which Google tells a repetition from a second wish."""

    service = "compute"

    def request(
        self, method: str, url: str, body: t.Any = None, query: Json | None = None, *, repeatable: bool | None = True
    ) -> Json:
        """One write that may be repeated."""
        return super().request(
            method, url, body, {"requestId": str(uuid.uuid4())} | (query or {}), repeatable=repeatable
        )

    def foretold(self) -> Json:
        """With the link, which tells the project as well."""
        return {**super().foretold(), "selfLink": f"https://www.googleapis.com/{self.url.split('/', 3)[3]}"}

    def set_labels(self, labels: Json, current: Json) -> Json:
        """Make these the labels, all of them, unless somebody else changed them meanwhile (412)."""
        body = {"labels": labels, "labelFingerprint": current.get("labelFingerprint", "")}
        # Not every setLabels takes a request ID; the fingerprint protects a repetition just as well.
        return self.session.request("POST", f"{self.url}/setLabels", body, repeatable=True)


class AddressResource(ComputeResource):
    """A reserved address, of a region or global, of which nothing but the labels can change."""

    state_path = "status"
    pending = frozenset({"RESERVING"})

    def create(self, plan: Plan) -> Json:
        """Reserve it, and label it."""
        answer = self.finish(super().create(plan), "create")
        labels = plan.changes.get("labels")
        made = self.read() if labels else None
        if made is not None and made.get("labels") != labels:  # not every version of the API takes them at once
            return self.set_labels(labels or {}, made)
        return answer

    def update(self, plan: Plan) -> Json:
        """Label it; nothing else can differ here."""
        return self.set_labels(plan.after["labels"], plan.current)
