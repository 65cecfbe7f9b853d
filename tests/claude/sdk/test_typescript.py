"""The TypeScript SDK runs against the fake, where somebody has installed it (`make typescript`)."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from api_simulator.claude import FakeClaudeCLI

NODE = shutil.which("node")
SDK = Path(__file__).parents[3] / ".node" / "node_modules" / "@anthropic-ai" / "claude-agent-sdk" / "sdk.mjs"


@pytest.mark.skipif(NODE is None, reason="needs node")
@pytest.mark.skipif(not SDK.is_file(), reason="needs the TypeScript SDK: make typescript")
def test_a_prompt_with_a_tool_a_hook_and_a_permission(fake_claude: FakeClaudeCLI, project: Path):
    fake_claude.on_prompt("hi").tool("Write", {"file_path": "a"}).text("Done.")
    assert NODE is not None

    ran = subprocess.run(
        [NODE, Path(__file__).with_name("smoke.mjs"), SDK, fake_claude.executable, project],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == ["init", "assistant", "hook Write", "asked Write", "user", "assistant", "success"]
