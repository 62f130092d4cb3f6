# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of every module that makes and removes something."""

from __future__ import annotations


class ModuleDocFragment:
    """Whether the resource exists, and how long it may take."""

    DOCUMENTATION = r"""
options:
  state:
    description: Whether the resource exists.
    type: str
    choices: [present, absent]
    default: present
  timeout:
    description:
      - Seconds that the whole module may take, with all repetitions and all waiting, at least V(1).
      - What does not end by itself then is left 5 seconds later.
      - Google Cloud goes on with what was begun when they are over, and the next run waits for it.
    type: int
    default: 1200
"""
