"""Builders of records: what they remember, what they add up, what versions differ in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import api_simulator
from api_simulator.claude import Records
from api_simulator.claude.records import API_FAILURES, failure_for, json_of, profile_for, text_of


@pytest.fixture
def r() -> Records:
    return Records(seed=1)


def a_run(records: Records) -> list[dict[str, Any]]:
    return [
        records.init(),
        *records.message("I will look.", records.tool_use_block("Bash")),
        records.tool_result(),
        records.assistant("Done."),
        records.result(),
    ]


class TestDeterminism:
    def test_the_same_calls_with_the_same_seed_give_the_same_records(self):
        assert a_run(Records(seed=3)) == a_run(Records(seed=3))

    def test_another_seed_gives_other_ids_times_and_costs(self):
        ours, theirs = a_run(Records(seed=3)), a_run(Records(seed=4))

        assert {r["uuid"] for r in ours}.isdisjoint(r["uuid"] for r in theirs)
        assert ours[1]["timestamp"] != theirs[1]["timestamp"]
        assert ours[-1]["total_cost_usd"] != theirs[-1]["total_cost_usd"]

    def test_no_two_records_share_a_uuid(self, r: Records):
        records = a_run(r) + a_run(r)

        assert len({record["uuid"] for record in records}) == len(records)

    def test_times_go_forward(self, r: Records):
        times = [record["timestamp"] for record in a_run(r) if "timestamp" in record]

        assert times == sorted(times)
        assert len(set(times)) == len(times)


class TestConversation:
    def test_blocks_of_one_api_message_share_its_id_until_a_tool_has_answered(self, r: Records):
        _, said, called, _, done, _ = a_run(r)

        assert said["message"]["id"] == called["message"]["id"] != done["message"]["id"]
        assert said["request_id"] == called["request_id"] != done["request_id"]

    def test_a_block_has_the_usage_of_the_messages_start_and_no_stop_reason(self, r: Records):
        """Whoever adds these up counts too little; the result has the numbers."""
        records = a_run(r)

        assert [a["message"]["stop_reason"] for a in records if a["type"] == "assistant"] == [None, None, None]
        assert {a["message"]["usage"]["output_tokens"] for a in records if a["type"] == "assistant"} == {1}
        assert records[-1]["usage"]["output_tokens"] > 2

    def test_a_tools_result_belongs_to_the_oldest_call_without_one(self, r: Records):
        first, second = r.message(r.tool_use_block("Bash"), r.tool_use_block("Read"))

        answered = [r.tool_result()["message"]["content"][0]["tool_use_id"] for _ in range(2)]

        assert answered == [first["message"]["content"][0]["id"], second["message"]["content"][0]["id"]]

    def test_a_result_without_a_call_is_refused(self, r: Records):
        with pytest.raises(ValueError, match="no tool was called before it; give tool_use="):
            r.tool_result()

    def test_refused_calls_are_in_the_next_result_only(self, r: Records):
        r.tool_use("Write", {"file_path": "x"})
        r.tool_result("No.", is_error=True, permission="rule")

        first, second = r.result(), r.result()

        assert [denial["tool_name"] for denial in first["permission_denials"]] == ["Write"]
        assert second["permission_denials"] == []

    def test_after_a_reset_records_have_the_new_sessions_id(self, r: Records):
        reset = r.conversation_reset()

        assert reset["session_id"] != reset["new_conversation_id"] == r.init()["session_id"]

    def test_after_a_fallback_records_name_the_other_model(self, r: Records):
        r.model_fallback("claude-sonnet-5-5")

        assert r.assistant()["message"]["model"] == r.init()["model"] == "claude-sonnet-5-5"

    def test_a_prompts_uuid_is_named_by_its_turn_only(self, r: Records):
        r.prompted_by("u")
        turn = [r.init(), r.assistant(), r.user("Go on.", synthetic=True), r.assistant(), r.result()]

        assert [record.get("user_message_uuids") for record in turn] == [["u"], ["u"], None, None, ["u"]]
        assert "user_message_uuids" not in r.init()


class TestResults:
    def test_costs_add_up_over_turns_and_tokens_do_not(self, r: Records):
        r.assistant()
        first = r.result()
        r.assistant()
        second = r.result()

        assert second["total_cost_usd"] > first["total_cost_usd"] > 0
        assert second["duration_api_ms"] > first["duration_api_ms"]
        total = second["modelUsage"][r.model]["outputTokens"]
        assert total == first["usage"]["output_tokens"] + second["usage"]["output_tokens"]
        assert second["model_usage_since_last_result"][r.model]["outputTokens"] == second["usage"]["output_tokens"]
        assert [first["result_index"], second["result_index"]] == [0, 1]

    def test_a_turn_counts_one_and_one_more_for_each_user_record(self, r: Records):
        """So the real program does: two parallel calls and a text are three."""
        r.message(r.tool_use_block("Bash"), r.tool_use_block("Bash"))
        r.tool_result()
        r.tool_result()
        r.assistant()

        assert r.result()["num_turns"] == 3

    def test_a_failed_request_is_a_success_with_is_error(self, r: Records):
        failed = r.api_error("credit_exhausted")
        result = r.result()

        assert failed["message"]["model"] == "<synthetic>"
        assert (result["subtype"], result["is_error"], result["terminal_reason"]) == ("success", True, "api_error")
        assert result["api_error_status"] == 400
        assert result["result"] == failed["message"]["content"][0]["text"] == "Credit balance is too low"

    def test_a_failure_in_the_middle_of_a_turn_that_goes_on_leaves_the_result_alone(self, r: Records):
        r.api_error("cut_mid_response", stop_reason="tool_use")
        r.assistant("There.")

        assert (r.result()["is_error"], r.result("x")["result"]) == (False, "x")

    @pytest.mark.parametrize(
        ("subtype", "limit", "text"),
        [
            ("error_max_turns", 3, "Error: Reached max turns (3)"),
            ("error_max_budget_usd", 0.5, "Error: Exceeded USD budget (0.5)"),
            ("error_during_execution", None, "Execution error"),
        ],
    )
    def test_an_ended_run_as_text_has_no_newline(self, r: Records, subtype: Any, limit: float | None, text: str):
        r.assistant()

        assert text_of(r.error_result(subtype, limit=limit)) == text

    def test_json_is_the_last_result_and_verbose_an_array_of_all(self, r: Records):
        records = a_run(r)

        one, every = json_of(records), json_of(records, verbose=True)

        assert isinstance(one, dict)
        assert isinstance(every, list)
        assert one["uuid"] == every[-1]["uuid"] == records[-1]["uuid"]
        assert len(every) == len(records)
        assert "model_usage_since_last_result" not in one

    def test_a_session_that_is_not_there_prints_nothing_but_stream_json(self, r: Records):
        error = r.startup_error()

        assert (text_of(error), json_of([error])) == ("", None)
        assert error["num_turns"] == 0

    def test_an_unknown_subtype_is_refused_with_the_known_ones(self, r: Records):
        with pytest.raises(ValueError, match="'error_api'; known are error_during_execution, error_max_turns"):
            r.error_result("error_api")  # type: ignore[arg-type] # that is the mistake


def test_events_surround_the_records_of_their_message(r: Records):
    """Each block's own record comes before the event that ends the block."""
    records = r.streamed("Hello.", r.tool_use_block("Bash"), pieces=1)

    names = [record["event"]["type"] if "event" in record else record["type"] for record in records]
    block = ["content_block_start", "content_block_delta", "assistant", "content_block_stop"]
    assert names == ["system", "message_start", *block, *block, "message_delta", "message_stop"]
    ids = {record.get("api_message_id") or record["message"]["id"] for record in records[1:]}
    assert len(ids) == 1


class TestVersions:
    @pytest.mark.parametrize(
        ("version", "measured"),
        [
            ("1.0.128", "1.0.128"),
            ("2.0", "2.0.77"),
            ("2.0.99", "2.0.77"),
            ("2.1.100", "2.1.100"),
            ("2.1.328", "2.1.100"),
            ("2.1.329", "2.1.329"),
            ("2.1.400", "2.1.329"),
            ("3.0.0", "2.1.329"),
        ],
    )
    def test_a_version_has_the_habits_of_the_nearest_measured_one_that_is_not_newer(self, version: str, measured: str):
        assert profile_for(version).name == measured

    @pytest.mark.parametrize("version", ["", "x", "2.x", "0.9.1", "1.2.3.4", "-1.0"])
    def test_what_is_no_known_version_is_refused_with_those_that_are(self, version: str):
        with pytest.raises(ValueError, match=r"known.* are 1\.0\.128, 2\.0\.77, 2\.1\.100, 2\.1\.329"):
            profile_for(version)

    def test_records_name_the_version_that_was_asked_for(self):
        assert Records(profile="2.1.400").init()["claude_code_version"] == "2.1.400"
        assert Records(profile="2.0").init()["claude_code_version"] == "2.0.77"

    def test_a_record_that_a_version_never_wrote_is_refused(self):
        old = Records(profile="2.0")

        assert not old.has("system/api_retry")
        with pytest.raises(ValueError, match=r"system/api_retry: version 2\.0\.77 writes no such record"):
            old.api_retry()

    def test_an_overloaded_api_was_called_a_rate_limit_once(self):
        assert Records(profile="2.1.100").api_retry(1, 529)["error"] == "rate_limit"
        assert Records(profile="2.1.329").api_retry(1, 529)["error"] == "overloaded"

    def test_a_run_that_used_up_its_turns_was_no_failure_once(self):
        old = Records(profile="2.0")
        old.tool_use()

        assert old.error_result("error_max_turns")["is_error"] is False


class TestFailures:
    def test_a_name_that_does_not_exist_is_refused_with_those_that_do(self):
        with pytest.raises(ValueError, match="no failure is called 'overload'; known are rate_limited, usage_limit"):
            failure_for("overload")

    @pytest.mark.parametrize("name", sorted(API_FAILURES))
    def test_every_failure_can_be_played_in_every_version(self, name: str):
        for version in ("1.0.128", "2.0", "2.1.100", "2.1.329"):
            records = Records(profile=version)
            failed, result = records.api_error(name), records.result()

            assert result["is_error"] is True
            assert "{" not in failed["message"]["content"][0]["text"].replace('{"type', "").replace('{"message', "")


def test_the_fake_program_can_load_the_builders_for_next_to_nothing():
    """They are loaded by each process that prints records: no typing, no pydantic, no uuid, no hashlib."""
    # The packages above stand in without what they load, as in the fake's process.
    program = (
        "import sys, types; before = set(sys.modules)\n"
        "for name in ('api_simulator', 'api_simulator.claude'):\n"
        "    sys.modules[name] = types.ModuleType(name)\n"
        "    sys.modules[name].__path__ = [sys.argv[1] + name.removeprefix('api_simulator').replace('.', '/')]\n"
        "from api_simulator.claude.records import Records; Records().init()\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    folder = str(Path(api_simulator.__file__).parent)

    ran = subprocess.run(
        [sys.executable, "-SIc", program, folder], capture_output=True, text=True, check=True, timeout=60
    )

    loaded = {name for name in ran.stdout.split() if not name.startswith("api_simulator")}
    assert loaded <= {"__future__", "_sha256", "_sha2"}


def test_records_are_plain_dicts(r: Records):
    assert json.loads(json.dumps(a_run(r))) == a_run(Records(seed=1))
