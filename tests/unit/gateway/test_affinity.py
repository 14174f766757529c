"""Which account a session belongs to, over turns, models and moves."""

from llm_router.gateway.affinity import Binding
from llm_router.routing.plan import Candidate

A, A2, B, C = Candidate("a", "m"), Candidate("a", "n/2"), Candidate("b", "m"), Candidate("c", "m")
NEW = Binding()


def test_text_and_back():
    """What is kept is read again, and anything else is no binding."""
    for binding in (Binding(A), Binding(A2), Binding(B, is_mixed=True)):
        assert Binding.read(str(binding)) == binding
    assert [Binding.read(text) for text in (None, "", "nonsense", "mixed")] == [NEW] * 4


def test_a_session_stays():
    """The first answer binds it; the same one changes nothing."""
    bound = NEW.after(A, [A, B])

    assert (bound, bound.among([B, A]), bound.after(A, [A, B])) == (Binding(A), A, bound)
    assert (bound.is_foreign_to(A), bound.is_foreign_to(A2), bound.is_foreign_to(B)) == (False, False, True)


def test_another_model_of_the_same_account():
    """The account is what counts: a session that asks for two models stays with it, unmixed."""
    bound = Binding(A)

    assert bound.among([B, A2]) == A2
    assert bound.after(A2, [B, A2]) == bound
    assert bound.after(A2, [A, A2, B]) == Binding(A2)


def test_a_model_that_the_account_does_not_have():
    """It is answered elsewhere, and the session stays where it was."""
    bound = Binding(A)

    assert bound.among([B, C]) is None
    assert bound.after(B, [B, C]) == bound
    assert bound.is_foreign_to(B)


def test_a_session_that_moved_is_mixed_for_good():
    """Its client goes on sending the first account's reasoning: nobody can read all of it any more."""
    moved = Binding(A).after(B, [A, B])

    assert moved == Binding(B, is_mixed=True)
    assert moved.is_foreign_to(B)
    assert moved.after(C, [A, B, C]) == Binding(C, is_mixed=True)
    assert moved.after(A, [A, B]) == Binding(A, is_mixed=True)
    assert not NEW.is_foreign_to(A)
