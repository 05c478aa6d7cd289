"""Integration tests run beside a real Valkey that starts each test empty."""

from __future__ import annotations

import pytest

from tests.servers import Valkey


@pytest.fixture(autouse=True)
def _empty_valkey(valkey: Valkey) -> None:
    valkey.empty()
