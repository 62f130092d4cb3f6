# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a task names another resource: by its name, a path, a URL, or the result of a former task."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import Json


def name_of(reference: t.Any) -> str:
    """The bare name in a name, a path, a URL, or a dict that has ``selfLink`` or ``name``, such as a former result."""
    if isinstance(reference, dict):
        reference = reference.get("name") or reference.get("selfLink") or ""
    return str(reference).rstrip("/").rpartition("/")[2]


def full_reference(value: t.Any, template: str, params: Json) -> str:
    """What a name, a partial path, a URL or a registered result refers to, in full.

    :param template: such as ``https://www.googleapis.com/compute/v1/projects/{project}/global/networks/{value}``.
    """
    if isinstance(value, dict):
        value = value.get("selfLink") or value.get("name") or ""
    prefix = template.split("projects/", 1)[0]
    value = str(value)
    if "/" not in value:
        region = str(params.get("zone", "")).rsplit("-", 1)[0]  # a zone bears the name of its region
        return template.format(**{"region": region, **params, "value": value}) if value else ""
    if (path := resource_path(value)).startswith("projects/"):
        return prefix + path
    return f"{prefix}projects/{params['project']}/{path.lstrip('/')}"


def resource_path(value: t.Any) -> str:
    """A reference without host and version, so that all ways to write it are the same."""
    return re.sub(r"^(https://[^/]+/)?(compute/)?((v\d\w*|beta|alpha)/)?(?=projects/)", "", str(value))
