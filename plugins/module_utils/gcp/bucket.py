# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a bucket does beyond its fields: a policy that is locked for good, and objects that are deleted with it."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime
from urllib.parse import quote

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp import batch
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import dig
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan, Resource

LOCK = "retentionPolicy.isLocked"


class Bucket(Resource):
    """A bucket, whose changes are protected by its metageneration."""

    service = "storage"
    collection = "storage/v1/b"
    create_query = {"project": "{project}"}
    answers_itself = True
    guard_query = {"ifMetagenerationMatch": "metageneration"}

    @classmethod
    def check(cls, params: Json) -> None:
        """Refuse what belongs to a group that is to go."""
        super().check(params)
        retention, logging = params["retention_policy"] or {}, params["logging"] or {}
        if retention.get("retention_period") == 0 and retention.get("is_locked"):
            raise GcpError("retention_policy.is_locked is true, but retention_policy.retention_period is 0: no policy.")
        if logging.get("log_bucket") == "" and logging.get("log_object_prefix"):
            raise GcpError("logging.log_object_prefix needs logging.log_bucket, which is empty: no logs.")

    def plan(self, current: Json | None) -> Plan:
        """Plan as always; a locked policy only grows, and what cannot be deleted is told before anything is."""
        plan = super().plan(current)
        if plan.action == "delete":
            self.refuse_contents()
        elif current:
            refuse_loosening(self.params["retention_policy"] or {}, current.get("retentionPolicy") or {})
        warning = f"This locks the retention policy of {self.title}, which cannot be taken back."
        if plan.changes.get(LOCK) and warning not in self.warnings:
            self.warnings.append(warning)
        return plan

    def create(self, plan: Plan) -> Json:
        """Create the bucket, and lock its policy if the task says so."""
        return self.lock(plan, super().create(plan.without(LOCK)))

    def update(self, plan: Plan) -> Json:
        """Change what differs, and lock the policy as it is then."""
        rest = plan.without(LOCK)
        return self.lock(plan, super().update(rest) if rest.changes else plan.current)

    def lock(self, plan: Plan, bucket: Json) -> Json:
        """Lock the policy of the bucket, if nobody has changed it since."""
        if not plan.changes.get(LOCK):
            return bucket
        query = {"ifMetagenerationMatch": bucket["metageneration"]}
        # Once it is locked, the same request is an error: after a lost answer the bucket is read again instead.
        return self.request("POST", f"{self.url}/lockRetentionPolicy", query=query, repeatable=False)

    def delete(self, plan: Plan) -> Json:
        """Delete the bucket; what is in it only if the task says so."""
        if self.params["force_delete"]:
            self.empty(plan)
        try:
            return super().delete(plan)
        except GcpError as error:
            if error.status == 409:
                error.note(
                    "What is in it is no object that could be listed: folders, which force_delete=true deletes too, "
                    "managed folders, or what somebody put there meanwhile."
                )
            raise

    def empty(self, plan: Plan) -> None:
        """Delete each version of each object, and then the folders, from the innermost to the outermost."""
        found = self.contents("o", "name,generation", versions="true")
        self.delete_all(f"o/{quote(o['name'], safe='')}?generation={o['generation']}" for o in found)
        if dig(plan.current, "hierarchicalNamespace.enabled"):
            folders = [folder["name"] for folder in self.contents("folders", "name")]
            for depth in sorted({name.count("/") for name in folders}, reverse=True):
                self.delete_all(f"folders/{quote(n, safe='')}" for n in folders if n.count("/") == depth)

    def delete_all(self, paths: t.Iterable[str]) -> None:
        """Delete what has these paths below the bucket."""
        batch.delete(self.session, f"{self.host}/batch/storage/v1", (f"{self.url}/{path}" for path in paths))

    def refuse_contents(self) -> None:
        """Refuse to delete a bucket that has what the task does not say, or what must be kept."""
        now = datetime.now(UTC).isoformat()
        try:
            kept = "name,temporaryHold,eventBasedHold,retentionExpirationTime"
            for item in self.contents("o", kept, versions="true"):
                name = f"{self.title} cannot be deleted: {item['name']!r}"
                if not self.params["force_delete"]:
                    raise GcpError(
                        f"{name} is in it, so that it is not empty. With force_delete=true all objects and their "
                        "versions are deleted with the bucket."
                    )
                if item.get("temporaryHold") or item.get("eventBasedHold"):
                    raise GcpError(f"{name} is on hold. Release the hold first. Nothing was deleted.")
                if (until := item.get("retentionExpirationTime", "")) > now:
                    raise GcpError(f"{name} must be kept until {until} by retention_policy. Nothing was deleted.")
        except GcpError as error:
            # Whoever may delete the bucket, and not look into it, is told by Google what is in it.
            if error.status != 403 or self.params["force_delete"]:
                raise

    def contents(self, kind: str, fields: str, **query: str) -> t.Iterator[Json]:
        """All objects or folders, with these fields."""
        query |= {"fields": f"nextPageToken,items({fields})"}
        return self.session.listed(f"{self.url}/{kind}", "items", query)

    def explain(self, error: GcpError) -> GcpError:
        """Say that the bucket may be somebody else's."""
        if (error.url == self.url and error.status == 403) or (error.url == self.parent and error.already_exists):
            error.note(
                "Buckets of all of Google Cloud share their names: this one may be somebody else's (option name)."
            )
        return super().explain(error)


def refuse_loosening(wanted: Json, there: Json) -> None:
    """
    :raises GcpError: if the task asks for less than what a locked policy keeps.
    """
    period, locked = wanted.get("retention_period"), int(there.get("retentionPeriod", 0))
    if there.get("isLocked") and (wanted.get("is_locked") is False or (period is not None and period < locked)):
        option = "is_locked" if wanted.get("is_locked") is False else "retention_period"
        old = True if option == "is_locked" else locked
        raise GcpError(
            f"retention_policy.{option} cannot be changed from {old} to {wanted[option]}: the policy is locked, which "
            "cannot be taken back; its period can only grow. Leave the option as it is."
        )
