"""TensorBoard events of a run that is killed and resumed."""

from __future__ import annotations

import pytest

from drai_cli.errors import UsageError
from drai_cli.run.events import open_events


def test_steps_after_the_checkpoint_are_shown_once(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    first = open_events(tmp_path, 0)
    for step in (10, 20, 30):
        first.add_scalar("loss", step, step)
    first.close()
    resumed = open_events(tmp_path, 20)  # 30 was not kept
    for step in (30, 40):
        resumed.add_scalar("loss", step + 1, step)
    resumed.close()
    shown = EventAccumulator(str(tmp_path)).Reload().Scalars("loss")
    assert [(event.step, event.value) for event in shown] == [(10, 10), (20, 20), (30, 31), (40, 41)]


def test_without_tensorboard_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match="TensorBoard is not installed") as caught:
        open_events(tmp_path, 0)
    assert "pip install 'drai-cli[tensorboard]'" in caught.value.hint
