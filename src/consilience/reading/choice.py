"""Lettered options: find the letter that the model finally commits to, and nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from consilience.errors import ConfigError
from consilience.reading.base import ByKey
from consilience.reading.text import boxed, json_answer, last_sentence, plain, squeeze, tagged, visible

_WRAP = re.compile(r"\\(?:text(?:bf|rm|it)?|mathrm|mathbf)\{\s*([^{}]*?)\s*\}")


@dataclass(frozen=True, slots=True)
class Choice(ByKey):
    """Reads one of `n` letters from A; `texts`, where given, are the options' texts and may be named instead."""

    n: int
    texts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.n <= 26:
            raise ConfigError(f"a choice has 1 to 26 options, got {self.n}")
        if self.texts and len(self.texts) != self.n:
            raise ConfigError(f"a choice of {self.n} options got {len(self.texts)} option texts")

    @property
    def name(self) -> str:
        """`choice-4/1`. The option texts belong to the question, not to the name."""
        return f"choice-{self.n}/1"

    @property
    def instruction(self) -> str:
        """One sentence for the prompt."""
        return 'Finish with "The answer is X.", where X is the letter of the right option.'

    def read(self, text: str) -> str | None:
        """The letter: JSON field, box, `<answer>`, answer phrase, lone line, opening letter, single bracketed letter, option text."""
        return _read(_rules(self.n), self.texts, visible(text))

    def refer(self, reference: str) -> str | None:
        """The letter of a reference such as `C`, `(C)`, `C) text`, or the text of an option."""
        return _alone(_rules(self.n), reference) or _by_text(self.texts, reference) or self.read(reference)


@dataclass(frozen=True, slots=True)
class _Rules:
    """The patterns for one number of options."""

    phrase: re.Pattern[str]
    joined: re.Pattern[str]
    alone: re.Pattern[str]
    opening: re.Pattern[str]
    bracketed: re.Pattern[str]
    commits: re.Pattern[str]
    verdict: re.Pattern[str]


_NOUN = r"(?i:answer|option|choice|verdict)"
_FILLER = r"(?:\s+(?!is\b|not\b|cannot\b|never\b|\w+n['\u2019]t\b)[\w'-]+|\s*\([^)\n]{4,30}\)){0,6}?"
_IS = r"\s*(?:\bis\b|\bbe\b|\bwould\s+be\b|:|=|-)[\s:]*"
_HEDGE = r"(?:(?:most\s+likely|likely|probably|certainly|definitely|to\s+be|therefore|thus|clearly|indeed|option|choice|answer|letter|the|correct|is)\s+){0,5}[:\s]*"
_AFTER = r"because|since|as|is|and|or|which|due|given|for|with|in|if|but|not"
_PRAISE = r"correct|right|best|better|stronger|true|answer|appropriate|accurate"
_JOIN = r"(?:(?:,|/|\bor\b|\band\b|&)\s*)+"
_MARK = r"[(\[{<\"'\u201c\u2018]?"
_WIDE = {0xFF01 + i: 0x21 + i for i in range(94)}
"""Letters and signs of full width, as they are written among Chinese ones."""
_LEAD = (r"(?i:(?:so|thus|hence|therefore|then)\b,?\s*)?(?i:I(?:['\u2019](?:ll|d|m)|\s+(?:would|will|am))?\s+(?:also\s+|still\s+)?(?:think|believe|say|guess|choose|pick|select"
         r"|go(?:ing)?\s+(?:with|for))\s+)?(?i:(?:that\s+)?(?:it|this)(?:['\u2019]s|\s+is|\s+must\s+be|\s+should\s+be)\s+)?")


@lru_cache(maxsize=26)
def _rules(n: int) -> _Rules:
    upper, lower = f"A-{chr(64 + n)}", f"a-{chr(96 + n)}"
    word = rf"(?<=\b[AI])\s+(?!(?:{_AFTER})\b)[a-z]"  # "A triangle", "I cannot": words, no letters
    capital = rf"(?P<upper>[{upper}])(?!\w|['\u2019]\w)(?!{word})"
    small = rf"(?P<lower>(?<=[(\[])[{lower}](?=[)\]])|[{lower}](?=\s*(?:[).,;:\]]|$|\n)))"
    who = r"\b(?i:option|choice|answer|candidate|response|assistant|model|solution)"
    seems = r"\s+(?:is|seems|appears|would\s+be)\s+(?:to\s+be\s+)?(?:the\s+)?(?:only\s+|most\s+|more\s+|best\s+)?"
    opens = r"\s*[)\].:]\s*(?=\S|$)|\s*,\s*(?=(?:because|since|as|which|given|due)\b)|\s+-\s"
    opens_is = r"\s+(?=because\b|since\b|is\s+(?:the\s+)?(?:correct|right|answer|best))"
    return _Rules(
        phrase=re.compile(rf"(?i:\b{_NOUN}\b(?!\s+{_NOUN}s\b){_FILLER}{_IS}{_HEDGE}){_MARK}\(?(?:{capital}|{small})"),
        joined=re.compile(rf"[)\].]*\s*{_JOIN}(?i:option\s+|choice\s+)?{_MARK}[{upper}{lower}](?!\w|['\u2019]\w)"),
        alone=re.compile(rf"\W*?(?i:(?:option|choice|answer)\s*:?\s*)?\W*([{upper}])\W*", re.DOTALL),
        opening=re.compile(rf"\W*?([{upper}])(?:{opens}|{opens_is})"),
        bracketed=re.compile(rf"(?<!not )(?<!n't )[(\[]([{upper}])[)\]]"),
        commits=re.compile(rf"{_LEAD}(?i:option\s+|answer\s+)?{_MARK}([{upper}])[)\]\"'\u201d\u2019.!]*"),
        verdict=re.compile(rf"(?:{who}\s+{_MARK}([{upper}])[)\].]?|(?<![\w']){_MARK}([{upper}])[)\]]?){seems}(?:{_PRAISE})"),
    )


def _read(rules: _Rules, texts: tuple[str, ...], text: str) -> str | None:
    if not text:
        return None
    if not text.isascii():
        text = text.translate(_WIDE)
    value = json_answer(text)
    if value is not None:
        return _alone(rules, value) or _opening(rules, value) or _by_text(texts, value)
    box = boxed(text) if "box" in text else None
    box = tagged(text) if box is None else box
    if box is not None:
        inside = _WRAP.sub(r"\1", box)
        lone = inside.upper() if len(inside) < 4 else inside
        found = _alone(rules, lone) or _opening(rules, inside) or _by_text(texts, inside)
        if found:
            return found
    text = plain(text)
    return _by_phrase(rules, texts, text)


def _by_phrase(rules: _Rules, texts: tuple[str, ...], text: str) -> str | None:
    last = None
    for match in rules.phrase.finditer(text):
        if not _heads_list(rules, match):
            last = match
    if last is not None:
        if rules.joined.match(text, last.end()):
            return _verdict(rules, text[last.end():])
        return (last["upper"] or last["lower"]).upper()
    lines = [line for line in (text.upper() if len(text) < 4 else text).split("\n") if line.strip()]
    if not lines:
        return None
    if rules.opening.match(lines[-1]) and len({m[1] for line in lines if (m := rules.opening.match(line))}) > 1:
        return _verdict(rules, text)
    found = _alone(rules, lines[-1]) or _alone(rules, lines[0]) or _verdict(rules, text) or _opening(rules, text)
    if found:
        return found
    sentence = last_sentence(text)
    if committed := rules.commits.fullmatch(sentence):
        return committed[1]
    letters = set(rules.bracketed.findall(sentence))
    if letters:
        return letters.pop() if len(letters) == 1 else None
    return _by_text(texts, sentence)


def _heads_list(rules: _Rules, match: re.Match[str]) -> bool:
    """True when the letter after a phrase such as `the drug of choice is:` only opens the list of options."""
    if "\n" not in match[0]:
        return False
    _, _, after = match.string[match.end():].partition("\n")
    return rules.opening.match(after) is not None


def _alone(rules: _Rules, line: str) -> str | None:
    match = rules.alone.fullmatch(line) if len(line) < 40 else None
    return match[1] if match else None


def _verdict(rules: _Rules, text: str) -> str | None:
    found = rules.verdict.findall(text)
    return (found[-1][0] or found[-1][1]) if found else None


def _opening(rules: _Rules, text: str) -> str | None:
    """The letter that opens the reply, unless other lines open with other letters (a list of options is no answer)."""
    first = rules.opening.match(text)
    if first is None or rules.joined.match(text, first.end(1)):
        return None
    letters = {m[1] for line in text.split("\n") if (m := rules.opening.match(line))}
    return first[1] if len(letters) == 1 else None


def _by_text(texts: tuple[str, ...], sentence: str) -> str | None:
    """The option whose text stands in the sentence, longest first; None when two that do not contain each other do."""
    if not texts:
        return None
    said = f" {_bare(sentence)} "
    hits = [i for i, text in enumerate(texts)
            if (bare := _bare(text)) and not (len(bare) == 1 and bare.isalpha()) and f" {bare} " in said]
    longest = sorted(hits, key=lambda i: -len(texts[i]))
    kept = [i for k, i in enumerate(longest) if not any(_bare(texts[i]) in _bare(texts[j]) for j in longest[:k])]
    return chr(65 + kept[0]) if len(kept) == 1 else None


def _bare(text: str) -> str:
    return " ".join(re.sub(r"[^\w%$+*/=<>-]+", " ", squeeze(text)).split())
