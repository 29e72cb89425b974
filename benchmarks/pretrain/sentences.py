"""Self-made text: short chats in the model's own chat format, and small plain stories.

The chats teach the shape of a dialogue: who speaks, that an answer takes up the words of its question, and where it ends.
They hold no fact of the data set that the demo trains on, so what the demo shows is learnt in the demo.
Everything follows from the seed.
"""

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Chat(NamedTuple):
    """One question and its answer."""

    question: str
    answer: str


def _words(text: str) -> list[str]:
    return text.split()


NAMES = _words("""
    Ada Amos Anna Ben Clara Daniel Edith Emma Felix Frank George Grace Henry Ida James Jane Julia Kate Leo Lucy Mark
    Mary Max Nora Oscar Paul Rose Ruth Sam Tom
""")
THINGS = _words("""
    apple ball basket bell boat book bottle box bucket button candle cap chair clock coat coin cup drum fan flute
    hat kite knife lamp letter map mirror nail needle pan pen pipe plate pot ring rope saddle shell shoe spoon stone
    stool table toy wheel whistle
""")
ANIMALS = _words("""
    bear bee bird cat cow crow dog duck eagle fish fox frog goat goose hen horse lamb lion mouse owl ox pig rabbit
    rat seal sheep snake spider swan tiger wolf
""")
PLACES = _words("""
    barn bridge church field forest garden hall harbour hill house kitchen lake market meadow mill park river road
    school shop stable station tower valley village wood
""")
KINDS = _words("""
    big broken cheap clean dry dusty fine flat golden heavy little long narrow new old pretty round sharp silver
    small strange strong thin tiny warm wet wide wooden
""")
DEEDS = dict(
    zip(
        _words("walk jump look wait play work talk laugh rest sing sleep run swim sit stand"),
        _words("walked jumped looked waited played worked talked laughed rested sang slept ran swam sat stood"),
        strict=True,
    )
)
DAYS = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def generate_chats(seed: int) -> Iterator[Chat]:
    """Yield chats without end."""
    rng = random.Random(seed)  # noqa: S311 - text for training, not a secret
    while True:
        yield rng.choice(_CHATS)(rng)


def generate_stories(seed: int) -> Iterator[str]:
    """Yield stories of three to six plain sentences without end."""
    rng = random.Random(seed)  # noqa: S311 - text for training, not a secret
    while True:
        yield " ".join(rng.choice(_SENTENCES)(rng) for _ in range(rng.randint(3, 6)))


def _article(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


def _thing(rng: random.Random) -> str:
    """A thing with its article, half of the time with an adjective."""
    thing = rng.choice(THINGS)
    return _article(f"{rng.choice(KINDS)} {thing}" if rng.random() < 0.5 else thing)


def _word(rng: random.Random) -> str:
    return rng.choice(rng.choice((THINGS, ANIMALS, PLACES, KINDS)))


def _greeting(rng: random.Random) -> Chat:
    name, hello = rng.choice(NAMES), rng.choice(("Hello", "Good morning", "Good evening", "Welcome"))
    return Chat(f"{hello}, my name is {name}.", f"{hello}, {name}. How can I help you?")


def _repeating(rng: random.Random) -> Chat:
    words = " ".join(_word(rng) for _ in range(rng.randint(1, 3)))
    return Chat(rng.choice(("Say: {}", "Please repeat: {}", "Write {}.", "Tell me the words {}.")).format(words), words)


def _spelling(rng: random.Random) -> Chat:
    word = _word(rng)
    return Chat(f"How do you spell {word}?", f"It is spelled {'-'.join(word)}.")


def _first_letter(rng: random.Random) -> Chat:
    word, (which, at) = _word(rng), rng.choice((("first", 0), ("last", -1)))
    return Chat(f"What is the {which} letter of {word}?", f"The {which} letter of {word} is {word[at]}.")


def _neighbour_letter(rng: random.Random) -> Chat:
    at, (side, offset) = rng.randint(1, 24), rng.choice((("after", 1), ("before", -1)))
    return Chat(
        f"Which letter comes {side} {LETTERS[at]}?", f"The letter {side} {LETTERS[at]} is {LETTERS[at + offset]}."
    )


def _past_tense(rng: random.Random) -> Chat:
    verb, past = rng.choice(list(DEEDS.items()))
    return Chat(f"What is the past tense of {verb}?", f"The past tense of {verb} is {past}.")


def _next_day(rng: random.Random) -> Chat:
    at = rng.randrange(7)
    return Chat(f"What day follows {DAYS[at]}?", f"{DAYS[(at + 1) % 7]} follows {DAYS[at]}.")


def _larger(rng: random.Random) -> Chat:
    small, large = sorted(rng.sample(range(100), 2))
    question = rng.choice((f"{small} or {large}", f"{large} or {small}"))
    return Chat(f"Which is more, {question}?", f"{large} is more than {small}.")


def _counting(rng: random.Random) -> Chat:
    first, length = rng.randint(1, 20), rng.randint(3, 6)
    numbers = ", ".join(str(first + i) for i in range(length))
    return Chat(f"Count from {first} to {first + length - 1}.", f"{numbers}.")


def _belonging(rng: random.Random) -> Chat:
    (one, other), thing, rest = rng.sample(NAMES, 2), _thing(rng), _thing(rng)
    story = f"{one} has {thing} and {other} has {rest}."
    return Chat(f"{story} What does {one} have?", f"{one} has {thing}.")


def _whereabouts(rng: random.Random) -> Chat:
    (one, other), (here, there) = rng.sample(ANIMALS, 2), rng.sample(PLACES, 2)
    story = f"The {one} is in the {here} and the {other} is in the {there}."
    return Chat(f"{story} Where is the {other}?", f"The {other} is in the {there}.")


def _kind(rng: random.Random) -> Chat:
    word, kind = rng.choice(
        ((rng.choice(ANIMALS), "animal"), (rng.choice(PLACES), "place"), (rng.choice(THINGS), "thing"))
    )
    return Chat(f"What is {_article(word)}?", f"{_article(word).capitalize()} is {_article(kind)}.")


def _deed(rng: random.Random) -> Chat:
    name, past, place = rng.choice(NAMES), rng.choice(list(DEEDS.values())), rng.choice(PLACES)
    question = rng.choice((f"Who {past}?", f"Where was {name}?", f"What did {name} do?"))
    return Chat(f"{name} {past} near the {place}. {question}", f"{name} {past} near the {place}.")


_CHATS: tuple[Callable[[random.Random], Chat], ...] = (
    _greeting,
    _repeating,
    _spelling,
    _first_letter,
    _neighbour_letter,
    _past_tense,
    _next_day,
    _larger,
    _counting,
    _belonging,
    _whereabouts,
    _kind,
    _deed,
)

_SENTENCES: tuple[Callable[[random.Random], str], ...] = (
    lambda rng: f"{rng.choice(NAMES)} had {_thing(rng)}.",
    lambda rng: f"The {rng.choice(ANIMALS)} {rng.choice(list(DEEDS.values()))} near the {rng.choice(PLACES)}.",
    lambda rng: f"On {rng.choice(DAYS)} {rng.choice(NAMES)} found {_thing(rng)} in the {rng.choice(PLACES)}.",
    lambda rng: f'"Where is the {rng.choice(THINGS)}?" asked {rng.choice(NAMES)}.',
    lambda rng: f'"It is in the {rng.choice(PLACES)}," said {rng.choice(NAMES)}.',
    lambda rng: (
        f"{rng.choice(NAMES)} and {rng.choice(NAMES)} went to the {rng.choice(PLACES)} with the {rng.choice(ANIMALS)}."
    ),
    lambda rng: f"{rng.choice(NAMES)} gave {_thing(rng)} to {rng.choice(NAMES)}.",
    lambda rng: f"The {rng.choice(THINGS)} was very {rng.choice(KINDS)}.",
)
