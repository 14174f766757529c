"""Which account a session belongs to, in the one line of text that shared state keeps of it. Decisions on values."""

from collections.abc import Collection
from dataclasses import dataclass

from llm_router.routing.plan import Candidate

_MIXED = " mixed"  # no candidate's name ends so: models have no spaces


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a session belongs. A session that is new, or has no affinity, belongs nowhere.

    `is_mixed`: it has been with more than one account, and its client may send the reasoning of each.
    """

    candidate: Candidate | None = None
    is_mixed: bool = False

    @classmethod
    def read(cls, text: str | None) -> "Binding":
        """What `str` wrote; anything else is no binding."""
        upstream, mark, model = (text or "").removesuffix(_MIXED).partition("/")
        return cls(Candidate(upstream, model), (text or "").endswith(_MIXED)) if mark else cls()

    def __str__(self) -> str:
        """The text that is kept."""
        return f"{self.candidate}{_MIXED if self.is_mixed else ''}"

    def among(self, candidates: Collection[Candidate]) -> Candidate | None:
        """The candidate to ask first: the session's own, or another model of its account."""
        if self.candidate is None or self.candidate in candidates:
            return self.candidate
        return next((one for one in candidates if one.upstream == self.candidate.upstream), None)

    def is_foreign_to(self, candidate: Candidate) -> bool:
        """Whether the session's reasoning may be unreadable for this candidate."""
        return self.candidate is not None and (self.is_mixed or self.candidate.upstream != candidate.upstream)

    def after(self, answered: Candidate, candidates: Collection[Candidate]) -> "Binding":
        """Where the session belongs once `answered` has answered, of all `candidates` for the model asked.

        A session may ask for several models: one that its account does not have leaves it where it is.
        """
        if self.candidate is None:
            return Binding(answered)
        own = self.among(candidates)
        if own is None or own == answered:
            return self
        return Binding(answered, self.is_mixed or answered.upstream != self.candidate.upstream)
