import pytest

from tinkex_actors.observer import ObserverSettings


def test_looking_on_this_machine_needs_no_token() -> None:
    """Whoever reaches the loopback may look."""
    assert ObserverSettings().token == ""


@pytest.mark.parametrize("settings", [{"allow_control": True}, {"host": "0.0.0.0"}])  # noqa: S104 - the case in question
def test_acting_and_being_reached_from_elsewhere_make_a_token(settings: dict[str, object]) -> None:
    """A different one each time, that no representation shows."""
    one, other = (ObserverSettings(**settings) for _ in range(2))  # type: ignore[arg-type] # parametrized

    assert len(one.token) >= 32
    assert one.token != other.token
    assert one.token not in repr(one)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"port": 70_000}, "port must be"),
        ({"interval": 0}, "interval must be"),
        ({"token": "short"}, "at least 16"),
        ({"allow_control": True, "token": ""}, "a token is needed"),
    ],
)
def test_what_cannot_be_is_refused_at_the_door(wrong: dict[str, object], words: str) -> None:
    """With what was expected."""
    with pytest.raises(ValueError, match=words):
        ObserverSettings(**wrong)  # type: ignore[arg-type] # parametrized
