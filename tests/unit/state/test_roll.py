"""Rows that are read in slices while others change."""

from llm_router.state.roll import Roll


def test_what_changes_while_somebody_reads():
    """The reader sees the rows as they were when it began; afterwards every change is in force."""
    roll: Roll[int] = Roll()
    for number in range(600):
        roll.put(str(number), number)

    seen = []
    with roll.reading() as slices:
        for some in slices:
            assert len(some) <= 256
            seen += some
            roll.drop("599")
            roll.put("1", -1)
            roll.put("new", 7)
            roll.put("gone", 8)
            roll.drop("gone")
    assert seen == [(str(number), number) for number in range(600)]

    with roll.reading() as slices:
        after = dict(row for some in slices for row in some)
    assert after == {**{str(number): number for number in range(599)}, "1": -1, "new": 7}
    assert len(roll) == 600


def test_dropping_what_is_not_there():
    """Nothing happens."""
    roll: Roll[int] = Roll()
    roll.drop("nobody")

    assert len(roll) == 0
