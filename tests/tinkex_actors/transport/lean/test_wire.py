"""What is left of a request's pieces after the kernel took some of their bytes."""

from hypothesis import given
from hypothesis import strategies as st

from tinkex_actors.transport.lean.wire import Piece, _beyond


@given(st.lists(st.binary(max_size=5), min_size=1, max_size=12), st.integers(1, 12), st.integers(0, 60))
def test_no_byte_is_sent_twice_or_never(pieces: list[bytes], tried: int, taken: int) -> None:
    """Wherever the kernel stops: inside a piece, between two, before or behind an empty one."""
    tried = min(tried, len(pieces))
    taken = min(taken, sum(map(len, pieces[:tried])))
    given_pieces: list[Piece] = [*pieces]
    rest = _beyond(given_pieces, tried, taken)
    assert b"".join(rest) == b"".join(pieces)[taken:]
    assert taken < sum(map(len, pieces[:tried])) or len(rest) == len(pieces) - tried
