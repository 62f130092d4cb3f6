# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives Python 3.10 and newer back the names that conda 4.3.16, of 2017, uses and that have left the standard library.

It is imported when an interpreter starts: from a ``.pth`` file in the stand-in, as ``sitecustomize`` while the wheel of
conda is built.
"""

from __future__ import annotations

import collections
import collections.abc
import inspect
import platform

for _name in collections.abc.__all__:
    if not hasattr(collections, _name):
        setattr(collections, _name, getattr(collections.abc, _name))

if not hasattr(inspect, "getargspec"):
    # The four fields of old are the first four of what replaced it.
    inspect.getargspec = lambda function: tuple(inspect.getfullargspec(function))[:4]  # type: ignore[attr-defined]

if not hasattr(platform, "linux_distribution"):
    platform.linux_distribution = lambda *_args, **_options: ("debian", "", "")  # type: ignore[attr-defined]
