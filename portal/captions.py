"""Which captions of a lesson's buttons a trace may name, although they are no known words: those that can name nobody.

A button may have a person's name, such as a profile menu, a teacher or a course. So a caption counts only at the end of
a rehearsal, by everything that was seen, and only if

- it is on a button inside of a lesson's card, and of two lessons whose courses and teachers share no word;
- it is written as an action: at most four words of letters, none but the first with a capital letter;
- none of its words, in any case ending and either alphabet, stands elsewhere: in a label, a header, another button;
- none of its words is written like a part of the username, or ends as family names and patronymics do.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import takewhile
from typing import Any

from portal.lessons import RANGE, parse_card

MOST_WORDS, LONGEST = 4, 40
_SHORTEST = 3  # letters: a shorter word tells nothing about another one
# Letters and pairs of them that stand for one sound in the spellings of one name; ъ and ь stand for nothing.
_IN_LATIN = str.maketrans(
    dict(zip("абвгдежзиклмнопрстуфхцчшщыэәғқңөұүһіıqwyc", "abvgdejziklmnoprstufhssssieagknouuhiikvis", strict=True))
    | dict(zip("юяъь", ("iu", "ia", "", ""), strict=True))
)
_SOUNDS = (("dzh|dj|zh", "j"), ("kh", "h"), ("sh|ts", "s"), ("i(?=[eo])", ""))
_FAMILY = re.compile(
    r".{2,}((ov|ev|iv|bek|bai|han|kizi|uli|.in)(|a|oi|u|om|im|e|i)|(ov|ev)(is|n[aeu]|noi)(|a|u|em|e)"
    r"|sk(i|ogo|omu|im|om|aia|oi|uiu))"
)


class Captions:
    """Collects what pages show, unredacted and in memory only. ``secrets`` are the username and the password."""

    def __init__(self, known: frozenset[str], secrets: Iterable[str]) -> None:
        self._known = known
        self._parts = {part for secret in secrets for part in _words(secret)}
        self._lessons: dict[str, set[frozenset[str]]] = defaultdict(set)  # words of course and teacher, by caption
        self._elsewhere: set[str] = set()  # words

    def note(self, tree: Any) -> None:
        """Note a page, as trace.js returns it."""
        cards = list(_cards(tree))
        for text, _ in _texts(tree, leave_out=cards):
            self._elsewhere |= _words(text)
        for card in cards:
            texts = list(_texts(card))
            self._elsewhere |= {word for text, on_button in texts if not on_button for word in _words(text)}
            lesson, _ = parse_card(_label(card))
            course, teacher = _words(lesson.subject), _words(lesson.teacher)
            if RANGE.search(lesson.time) and course and teacher:
                for text, on_button in texts:
                    if on_button:
                        self._lessons[visible(text)].add(frozenset(map(_folded, course | teacher)))

    def nameless(self) -> list[str]:
        """Return the captions that can name nobody, by what was noted so far."""
        elsewhere = self._elsewhere - self._known
        return [
            caption
            for caption, lessons in self._lessons.items()
            if any(one.isdisjoint(other) for one in lessons for other in lessons)
            and self._is_action(caption)
            and not any(_alike(word, other) for word in _words(caption) - self._known for other in elsewhere)
            and not any(_begins_alike(word, part) for word in _words(caption) for part in self._parts)
            and not any(_FAMILY.fullmatch(_folded(word)) for word in _words(caption) - self._known)
        ]

    def _is_action(self, caption: str) -> bool:
        words = caption.split()
        if not 0 < len(words) <= MOST_WORDS or len(caption) > LONGEST:
            return False
        unknown = [(at, word) for at, word in enumerate(words) if word.casefold() not in self._known]
        return all(word.isalpha() and len(word) >= _SHORTEST and (not at or word.islower()) for at, word in unknown)


def visible(text: str) -> str:
    """Return a text without characters that show nothing, in one of the ways to write it."""
    return "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"[^\W\d_]+", visible(text).casefold()) if len(word) >= _SHORTEST}


@lru_cache(maxsize=10_000)
def _folded(word: str) -> str:
    """Return a word in Latin letters, the same ones for the usual spellings of a name."""
    word = "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))
    word = word.translate(_IN_LATIN)
    for sound, letter in _SOUNDS:
        word = re.sub(sound, letter, word)
    return re.sub(r"(.)\1+", r"\1", word)


def _common(one: str, other: str) -> int:
    """Return how many letters both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _alike(one: str, other: str) -> bool:
    """Say whether two words may be one in two cases or spellings, as Studentova and Студентову, or Лев and Льву."""
    one, other = _folded(one), _folded(other)
    shortest = min(len(one), len(other))
    if _common(one, other) >= min(shortest, max(4, shortest - 2)):
        return True
    one, other = (re.sub("[aeiou]", "", word) for word in (one, other))
    shortest = min(len(one), len(other))
    return shortest > 1 and _common(one, other) >= max(2, shortest - 1)


def _begins_alike(word: str, part: str) -> bool:
    return _common(_folded(word), _folded(part)) >= _SHORTEST


def _cards(node: Any) -> Iterator[Any]:
    """Yield the innermost layouts with both label and button, as page.js finds them."""
    inner = [card for child in node[3] if not isinstance(child, str) for card in _cards(child)]
    if inner:
        yield from inner
    elif "v-verticallayout-card" in node[1] and all(any(_find(node, name)) for name in ("v-label-bold", "v-button")):
        yield node


def _find(node: Any, name: str) -> Iterator[Any]:
    if name in node[1]:
        yield node
    for child in node[3]:
        if not isinstance(child, str):
            yield from _find(child, name)


def _label(card: Any) -> list[str]:
    """Return the lines of the label with the hours, as page.js does: of all labels where the hours stand alone."""
    labels = [[text for text, _ in _texts(label)] for label in _find(card, "v-label")]
    whole = [lines for lines in labels if len(lines) > 1 and any(map(RANGE.search, lines))]
    return whole[0] if whole else [line for lines in labels for line in lines]


def _texts(node: Any, on_button: bool = False, leave_out: Iterable[Any] = ()) -> Iterator[tuple[str, bool]]:
    """Yield the texts, and whether each is on a button."""
    on_button = on_button or "v-button" in node[1]
    for child in node[3]:
        if isinstance(child, str):
            yield child, on_button
        elif not any(child is card for card in leave_out):
            yield from _texts(child, on_button, leave_out)
