import pytest

from mlxd.supervisor import policy


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rules on a faster clock."""
    monkeypatch.setattr(policy, "FIRST_DELAY_S", 0.02)
    monkeypatch.setattr(policy, "STOP_BASE_S", 0.5)
    monkeypatch.setattr(policy, "TERM_GRACE_S", 0.3)
    monkeypatch.setattr(policy, "STALL_TERM_S", 0.2)
