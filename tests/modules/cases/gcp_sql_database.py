# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.modules.gcp_sql_database import SqlDatabase

from . import Case
from .gcp_sql_user import CASE as USER

CASE = Case(
    kind=SqlDatabase,
    base={"instance": "one", "name": "mlflow"},
    needs=USER.needs,
    fixed={"charset": ("UTF8", "SQL_ASCII"), "collation": ("en_US.UTF8", "C")},
    untabled={"instance": "it is a part of the resource's name", "name": "it is the resource"},
)
