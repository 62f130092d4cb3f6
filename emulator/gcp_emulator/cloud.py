# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one object through which services reach state, operations and what stands behind the APIs."""

from __future__ import annotations

from dataclasses import dataclass, field

from gcp_emulator.backends import Databases, Machines, Objects
from gcp_emulator.operations import Operations
from gcp_emulator.propagation import Propagation
from gcp_emulator.settings import Settings
from gcp_emulator.store import Store


@dataclass
class Cloud:
    """Everything a service needs."""

    settings: Settings
    store: Store
    operations: Operations
    machines: Machines
    databases: Databases
    objects: Objects
    propagation: Propagation = field(init=False)

    def __post_init__(self) -> None:
        self.propagation = Propagation(self.settings, self.store)
