# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import google_crc32c
import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.crc32c import crc32c


def test_the_check_value_of_the_standard() -> None:
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("data", [b"", b"\0", bytes(range(256)), b"s3cret" * 1000], ids=len)
def test_it_is_what_google_computes(data: bytes) -> None:
    assert crc32c(data) == google_crc32c.value(data)
