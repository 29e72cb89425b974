"""A plan of one small run on a server of its own process: what tests of ``tinkex run`` begin with."""

from pathlib import Path

_PLAN = """\
folder = "runs"

[server]
local = true

[runs.sft]
base_model = "tinkex/tiny"
data = "data.jsonl"
steps = 3
batch_size = 2

[runs.sft.lora]
rank = 2

[runs.sft.recovery]
max_attempts = 1
"""


def lay_out(folder: Path, *changes: tuple[str, str]) -> None:
    """Write the plan, with other words where *changes* say so, and its data; written again, it is another plan."""
    plan = _PLAN
    for old, new in changes:
        assert old in plan
        plan = plan.replace(old, new)
    (folder / "data.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 4)
    (folder / "plan.toml").write_text(plan)
