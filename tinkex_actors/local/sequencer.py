"""One model's requests, put in the order of their sequence numbers.

A client numbers the operations of a model 1, 2, 3, … (0 is the model's creation) and may send them again, out of order
inside a chunk group, or not at all. The rules (section 3.4 of the protocol):

* a number is taken only after every lower number was taken or given up;
* the same number again is the same request, whatever its body says;
* a number that never comes is waited for, but not for ever: `give_up` fails everything that waits behind the gap and
  goes on after it. A number of the given-up gap that arrives later is refused, since what followed it is decided.

Pure: no clock and no waiting here; the model's actor owns both.
"""

from attrs import define, field

from tinkex_actors.types.ids import RequestId


class StaleNumberError(ValueError):
    """The number lies in a gap that was given up; the request can no longer take its place."""


@define
class Sequencer:
    """Order, duplicates and gaps of one model's sequence numbers."""

    _next: int = 0
    _held: dict[int, RequestId] = field(factory=dict[int, RequestId])
    _known: dict[int, RequestId] = field(factory=dict[int, RequestId])

    @property
    def next_number(self) -> int:
        """The number that is taken next."""
        return self._next

    @property
    def held(self) -> int:
        """How many requests wait for their turn."""
        return len(self._held)

    @property
    def is_blocked(self) -> bool:
        """Whether requests wait behind a number that has not arrived."""
        return bool(self._held) and self._next not in self._held

    def find(self, number: int) -> RequestId | None:
        """The request that came first under *number*, done or not."""
        return self._known.get(number)

    def add(self, number: int, request_id: RequestId) -> None:
        """Accept *request_id* under a number that `find` does not know.

        Raises:
            StaleNumberError: *number* was given up.
        """
        if number < self._next:
            raise StaleNumberError(
                f"seq_id must be >= {self._next}, got {number}: it came after the wait for it was given up"
            )
        self._known[number] = request_id
        self._held[number] = request_id

    def take(self) -> RequestId | None:
        """The request whose turn it is, once; None while it has not arrived."""
        request_id = self._held.pop(self._next, None)
        if request_id is not None:
            self._next += 1
        return request_id

    def give_up(self) -> list[RequestId]:
        """Everything that waits, in order; the next number is the one after the last of them."""
        waiting = [self._held[number] for number in sorted(self._held)]
        if self._held:
            self._next = max(self._held) + 1
            self._held.clear()
        return waiting
