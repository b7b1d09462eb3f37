"""A refusal as whoever reads it sees it: one line that can be printed."""

from __future__ import annotations

from typing import Any

import pytest

from cyclescape.errors import InputError


def refusal(call: Any, *arguments: Any) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert message.isprintable()
    assert 0 < len(message) < 2100
    return message
