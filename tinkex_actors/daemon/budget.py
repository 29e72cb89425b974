"""How many tokens may be trained, by one run or by all: counted before they are sent, so the limit is never exceeded."""

from attrs import define, field


@define(eq=False)
class TokenBudget:
    """A limit, and what each run has spent of it. Steps that are done again count once."""

    name: str
    """The key of the plan that sets it."""
    limit: int | None
    """None is no limit."""
    _spent: dict[str, int] = field(factory=dict[str, int])

    @property
    def total(self) -> int:
        """Tokens that are spent."""
        return sum(self._spent.values())

    def begin(self, run: str, tokens: int) -> None:
        """A run stands where it has trained so many."""
        self._spent[run] = tokens

    def allows(self, tokens: int) -> bool:
        """Whether so many more may be trained."""
        return self.limit is None or self.total + tokens <= self.limit

    def spend(self, run: str, tokens: int) -> None:
        """They are trained."""
        self._spent[run] = self._spent.get(run, 0) + tokens
