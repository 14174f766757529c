"""The page on failures is what the tests hold."""

from pathlib import Path

from support.failure_grid import page

PAGE = Path(__file__).parents[2] / "docs" / "failures.md"


def test_the_page_is_not_stale():
    """It is written from the very cells that the grid's tests expect."""
    assert PAGE.read_text() == page(), "run `cd tests && python -m support.failure_grid > ../docs/failures.md`"
