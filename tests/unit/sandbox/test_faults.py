"""Faults: how they are written and which requests they strike."""

import pytest

from llm_router.sandbox.faults import KINDS, Fault, FaultSpecError, Rule, Switchboard, explain, parse


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ("", Fault()),
        ("status=503", Fault(status=503)),
        ("retry_after=7", Fault(status=429, retry_after="7")),
        (" status = 503 , retry_after=7,", Fault(status=503, retry_after="7")),
        ("headers_delay=0.5,first_byte_delay=1s,token_delay=2", Fault(None, "", 0.5, 1.0, 2.0)),
        ("cut_after=0", Fault(cut_after=0)),
        ("malformed,empty", Fault(malformed=True, empty=True)),
    ],
)
def test_a_description_is_read(spec: str, fault: Fault):
    """Words are combined with commas; white space does not matter."""
    assert parse(spec) == fault


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("statu=503", "There is no fault `statu`; known: status, "),
        ("status=200", "`status=200` is not a fault; an example: `status=503`"),
        ("status", "`status` is not a fault"),
        ("token_delay=-1", "`token_delay=-1` is not a fault"),
        ("token_delay=nan", "`token_delay=nan` is not a fault"),
        ("headers_delay=99999", "`headers_delay=99999` is not a fault"),
        ("cut_after=-1", "`cut_after=-1` is not a fault"),
        ("retry_after=a\nb", "`retry_after=a\nb` is not a fault"),
        ("empty=1", "The fault `empty` takes no value"),
    ],
)
def test_a_wrong_description_is_refused(spec: str, message: str):
    """The refusal says what is wrong and which command lists the faults."""
    with pytest.raises(FaultSpecError) as refused:
        parse(spec)

    assert refused.value.message.startswith(message)
    assert refused.value.hints == ("`router sandbox fault --help` lists the faults",)


def test_the_help_lists_every_field():
    """One table is the parser, the help and the fields of a fault."""
    assert [kind.name for kind in KINDS] == list(Fault.__slots__)
    assert [line.split()[0] for line in explain().splitlines()] == [kind.example for kind in KINDS]
    assert all(parse(kind.example) != Fault() for kind in KINDS)


def test_a_counted_fault_runs_out():
    """A fault strikes as often as it was told, then requests are left alone."""
    board = Switchboard()
    board.switch({"spec": "status=503", "count": 2, "match": {"wire": "chat"}})

    struck = [board.strike(model="m", wire=wire) is not None for wire in ("chat", "messages", "chat", "chat")]

    assert struck == [True, False, True, False]
    assert [rule.as_json() for rule in board.rules] == [
        {"spec": "status=503", "count": 2, "left": 0, "match": {"wire": "chat"}}
    ]


def test_a_fault_on_one_of_so_many():
    """It strikes the last of each, and counts only what no earlier rule struck."""
    board = Switchboard()
    board.switch([{"spec": "status=500", "every": 2}, {"spec": "status=503", "every": 2}])

    struck = [rule.spec if (rule := board.strike(model="m", wire="chat")) else "" for _ in range(8)]

    assert struck == ["", "status=500", "status=503", "status=500", "", "status=500", "status=503", "status=500"]
    assert [rule.as_json()["every"] for rule in board.rules] == [2, 2]


def test_the_first_rule_that_means_a_request_strikes_it():
    """Several rules stand side by side until they are replaced or cleared."""
    board = Switchboard()
    board.switch([{"spec": "status=500", "match": {"model": "a"}}, {"spec": "status=503", "count": None}])

    assert [board.strike(model=model, wire="chat").spec for model in "aba"] == [
        "status=500",
        "status=503",
        "status=500",
    ]
    board.clear()
    assert board.strike(model="a", wire="chat") is None


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"spec": 5},
        {"spec": "nothing"},
        {"spec": "empty", "more": 1},
        {"spec": "empty", "count": 0},
        {"spec": "empty", "count": True},
        {"spec": "empty", "every": 0},
        {"spec": "empty", "every": True},
        {"spec": "empty", "match": {"path": "/"}},
        {"spec": "empty", "match": {"model": 1}},
    ],
)
def test_a_wrong_rule_changes_nothing(body):
    """What was switched on before stays as it was."""
    board = Switchboard()
    board.switch({"spec": "empty"})

    with pytest.raises(FaultSpecError):
        board.switch(body)

    assert board.rules == [Rule("empty", Fault(empty=True))]
