# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checksum by which Google Cloud tells whether something was damaged on its way (CRC-32C, RFC 3720)."""

from __future__ import annotations

from functools import cache

POLYNOMIAL = 0x82F63B78


def crc32c(data: bytes) -> int:
    """The checksum of some bytes; 64 KiB, which is the most that a secret holds, take some milliseconds."""
    steps, crc = table(), 0xFFFFFFFF
    for byte in data:
        crc = steps[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


@cache
def table() -> list[int]:
    """What each byte does to the checksum."""
    found = []
    for number in range(256):
        for _bit in range(8):
            number = (number >> 1) ^ (POLYNOMIAL if number & 1 else 0)
        found.append(number)
    return found
