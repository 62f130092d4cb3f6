# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What many short rounds say together.

Contestants take turns, and only what was measured within one round is divided by each other: what else the machine does
slows them down alike. What is told of all rounds is the median, but for the 99th percentile, which needs all answers.
"""

from __future__ import annotations

import math
import statistics
import typing as t
from dataclasses import dataclass

from .client import Sample


def percentile(values: t.Sequence[float], percent: float) -> float:
    """The least of the values that so many percent of them, or more, do not exceed."""
    if not values:
        raise ValueError("There is no percentile of nothing.")
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]


@dataclass(frozen=True)
class Cell:
    """One call, one contestant, one number of clients, as often as it was measured."""

    samples: list[Sample]

    @property
    def middles(self) -> list[float]:
        """The seconds that half of a round's requests took at most, by round."""
        return [percentile(sample.latencies, 50) for sample in self.samples]

    @property
    def throughputs(self) -> list[float]:
        """Requests a second, by round."""
        return [sample.throughput for sample in self.samples]

    @property
    def p50(self) -> float:
        """Seconds."""
        return statistics.median(self.middles)

    @property
    def p99(self) -> float:
        """Seconds, of all rounds' requests."""
        return percentile([seconds for sample in self.samples for seconds in sample.latencies], 99)

    @property
    def throughput(self) -> float:
        """Requests a second."""
        return statistics.median(self.throughputs)

    @property
    def requests(self) -> int:
        """How many there were."""
        return sum(len(sample.latencies) for sample in self.samples)


@dataclass(frozen=True)
class Advantage:
    """How many times better one is than another: above 1, it is better."""

    p50: float
    p99: float
    throughput: float


def advantage(one: Cell, other: Cell) -> Advantage:
    """Of what was measured in the same rounds."""
    pairs = zip(other.middles, one.middles, strict=True)
    rates = zip(one.throughputs, other.throughputs, strict=True)
    return Advantage(
        p50=statistics.median(theirs / ours for theirs, ours in pairs),
        p99=other.p99 / one.p99,
        throughput=statistics.median(ours / theirs for ours, theirs in rates),
    )
