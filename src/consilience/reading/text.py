"""What all answer formats share: the visible part of a reply, and the span in which it states its answer."""

from __future__ import annotations

import json
import re
import unicodedata

_END = "</think>"
_RUN = re.compile(r"\s{100,}")
_APOSTROPHE = "['\u2019]"
_ABBREVIATION = r"(?<!\b[A-Z])(?<!\b(?:Dr|Mr|Ms|St|Jr|Sr|vs|No|Mt|Ft|Co))(?<!\bMrs)(?<!\bv)"

_EMPHASIS = re.compile(r"(?<![\w)*])(\*\*|__)(?=\S)(.{1,400}?)(?<=\S)\1(?![\w(*])", re.DOTALL)

_JSON = re.compile(r"""["'](?:final[_ ]?)?answer["']\s*:\s*""", re.IGNORECASE)
_DECODER = json.JSONDecoder(strict=False)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"?|\'((?:[^\'\\]|\\.)*)\'?', re.DOTALL)

_CUE = re.compile(
    r"(?:^|\n)A:\s*|\banswer\b(?!\s+(?:choice|option)s\b)[^.:=\n]{0,40}?"
    r"(?:\bis\b|\bare\b|\bbe\b|\bas\b|:|=)(?!\s*(?-i:not)\b)[\s:=]*", re.IGNORECASE)
_TAIL = re.compile(
    r"(?i:(?:,|;|\s[-\u2013\u2014])\s*"
    r"(?:which|because|since|as|so|therefore|thus|hence|where|given|due|and\s+(?:so|this|that))\b|\s+because\b)"
    rf"|{_ABBREVIATION}(?<!\.)\.\s+(?=[A-Z])")
_SENTENCE = re.compile(rf"{_ABBREVIATION}(?:\.|[!?])\s+(?=\S)")

_TAGS = re.compile(r"<(?:final[_ ]?)?answer>((?:(?!<(?:final[_ ]?)?answer>).){1,4000}?)</(?:final[_ ]?)?answer>", re.IGNORECASE | re.DOTALL)

_REFUSED = (
    "help|assist|answer|provide|comply|do\\s+(?:that|this)|determine|say|give|discuss|fulfil|complete|respond|engage|support"
    "|tell|continue|access|create|write|generate|share|find|know")
_REFUSAL = re.compile(
    rf"(?:i\s?{_APOSTROPHE}?m\s+sorry|i\s+am\s+sorry|sorry),?\s+(?:but|i)\b|i\s+apologi[sz]e\b|i\s+must\s+decline\b"
    rf"|i(?:\s?{_APOSTROPHE}?m|\s+am)\s+(?:unable|not\s+able)\b|i\s+(?:do\s+not|don{_APOSTROPHE}t)\s+know\b"
    rf"|i\s+(?:can\s?not|(?:ca|couldn|wo)n?{_APOSTROPHE}t|could\s+not|will\s+not)\s+(?:really\s+)?(?:{_REFUSED})", re.IGNORECASE)

_VERBS = "find|calculate|compute|determine|evaluate|simplify|expand|factor|express|solve|rationalize|write|convert|round"
_IMPERATIVE = re.compile(
    rf"(?:^|[(,.;:]\s*|\bthen,?\s+)(?:{_VERBS}|answer|remember|assuming)\b(?=[^=]*$)", re.IGNORECASE)
_OPENING = re.compile(rf"(?:(?:fully|completely)\s+)?(?:{_VERBS}|rewrite|multiply)\b", re.IGNORECASE)
_DANGLING = re.compile(rf"\b(?:{_VERBS})\s*\n[^\n]*\Z", re.IGNORECASE)
_QUESTION = re.compile(
    r"\b(?:what|which|who|whom|whose|how|why|when|where|is|are|was|were|do|does|did|can|could|will|would|has|have)\b",
    re.IGNORECASE)

_BOXES, _BOX = 8, 4000
"""So many last boxes are looked at, and so many characters of each."""
_LINE = 1000
"""No last sentence is longer."""
_ECHO = 600
"""A text that opens like a task and is shorter than this is the task, repeated."""


def visible(text: str) -> str:
    """What follows the end-of-thinking mark, stripped; empty when a `<think>` was never closed. Long runs of white space, as
    models write them that do not find an end, are one space or line break."""
    end = text.rfind(_END)
    if end >= 0:
        text = text[end + len(_END):]
    return "" if "<think>" in text else _RUN.sub(lambda run: "\n" if "\n" in run[0] else " ", text.strip())


def plain(text: str) -> str:
    """The text without markdown emphasis (`**x**`, `__x__`, `` `x` ``); powers and products keep their stars."""
    if "**" in text or "__" in text:
        text = _EMPHASIS.sub(r"\2", text)
    return text.replace("`", "") if "`" in text else text


def boxed(text: str) -> str | None:
    """Contents of the last `\\boxed{...}` (or `\\fbox`, `\\box`) with balanced braces, or None."""
    at = text.rfind("box")
    for _ in range(_BOXES):
        if at < 0:
            break
        open_ = text.find("{", at)
        if open_ >= 0 and text[at:open_].strip() in ("boxed", "box"):
            inside = _balanced(text, open_)
            if inside is not None:
                return _whole(text, open_, inside).strip()
        at = text.rfind("box", 0, at)
    return None


def tagged(text: str) -> str | None:
    """Contents of the last `<answer>...</answer>`, or None."""
    found = _TAGS.findall(text) if "nswer>" in text or "NSWER>" in text else []
    return found[-1].strip() or None if found else None


def _whole(text: str, open_: int, inside: str) -> str:
    """A box of brackets alone (`\\boxed{) }}`) reaches to the last brace of its line."""
    if any(c.isalnum() for c in inside):
        return inside
    line = text[open_ + 1:].split("\n", 1)[0]
    rest = line[len(inside) + 1:]
    return line[:line.rfind("}")] if rest.strip("{}[]()<> ") in ("", "$", ".", "$.") and "}" in rest else inside


def _balanced(text: str, open_: int) -> str | None:
    depth = 0
    for i in range(open_, min(len(text), open_ + _BOX)):
        if text[i] == "{":
            depth += 1
        elif text[i] == "}":
            depth -= 1
            if depth == 0:
                return text[open_ + 1:i]
    return None


def json_answer(text: str) -> str | None:
    """The value of the first `"answer"` field of a JSON-like reply, sound or broken; None when there is none.

    The first document is the reply, as it is for every program that parses it; later ones are afterthoughts.
    """
    if "nswer" not in text and "NSWER" not in text:
        return None
    field = _JSON.search(text)
    if field is None:
        return None
    try:
        value, _ = _DECODER.raw_decode(text, field.end())
    except (ValueError, RecursionError):
        return _broken(text[field.end():])
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _broken(rest: str) -> str:
    quoted = _STRING.match(rest)
    if quoted:
        return (quoted[1] if quoted[1] is not None else quoted[2]).strip()
    return rest.split("\n", 1)[0].rstrip("`} \t,")


def cued(text: str) -> str | None:
    """What follows the last phrase such as `the answer is`, to the end of the line (or the next line that has text)."""
    if "nswer" not in text and "NSWER" not in text and "A:" not in text:
        return None
    last = None
    for last in _CUE.finditer(text):
        pass
    if last is None:
        return None
    line = text[last.end():].split("\n", 1)[0].strip()
    return line or None


def stated(text: str) -> str | None:
    """The span in which a visible reply states its answer: JSON field, box, `<answer>`, `####` line, answer phrase; else None."""
    found = json_answer(text)
    if found is not None:
        return found.strip()
    found = boxed(text) if "box" in text else None
    if found is None:
        found = tagged(text)
    if found is not None:
        return found
    if "####" in text:
        return text.rsplit("####", 1)[1].strip().split("\n", 1)[0].strip()
    return cued(text)


def answered(text: str) -> tuple[str, str | None]:
    """The visible part of a reply, without marks unless it is JSON, and the span in which it states its answer."""
    text = visible(text)
    found = json_answer(text)
    if found is not None:
        return text, found
    text = plain(text)
    return text, stated(text)


def cut(span: str) -> str:
    """The span up to what only explains it (`, which ...`, ` because ...`, a next sentence), without a closing period."""
    tail = _TAIL.search(span)
    if tail and tail.start() > 0:
        span = span[:tail.start()]
    return span.strip().rstrip(".;,!").strip()


def refuses(text: str) -> bool:
    """True when the text opens by declining to answer."""
    return _REFUSAL.match(text) is not None


def asks(text: str) -> bool:
    """True when a reply ends with a question (somebody repeated it), so that nothing in it is an answer."""
    if not text.endswith(("?", "?'", '?"', "?\u201d")) or len(text.split()) <= 3:
        return False
    return _QUESTION.search(last_sentence(text)) is not None or ("\n" not in text and _QUESTION.match(text) is not None)


def sets(text: str) -> bool:
    """True when a reply sets a mathematical task instead of solving it: it ends by asking, or opens as tasks do."""
    return text.endswith(("?", "?)")) or _IMPERATIVE.search(last_sentence(text)) is not None or (
        len(text) < _ECHO and (_OPENING.match(text) is not None or _DANGLING.search(text) is not None))


def last_sentence(text: str) -> str:
    """The last sentence of the last line that has text."""
    line = text[-_LINE:].rstrip().rsplit("\n", 1)[-1].strip()
    ends = [match.end() for match in _SENTENCE.finditer(line)]
    return line[ends[-1]:] if ends else line


_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = re.compile(r"[^\w\s]|_")


def squeeze(text: str) -> str:
    """NFKC, lower case, single spaces, no punctuation around."""
    text = unicodedata.normalize("NFKC", text) if not text.isascii() else text
    return " ".join(text.casefold().split())


def words(text: str) -> list[str]:
    """Tokens after SQuAD normalisation: lower case, no punctuation, no articles (kept where nothing else is left)."""
    bare = _PUNCTUATION.sub("", squeeze(text).replace("-", " "))
    return _ARTICLES.sub(" ", bare).split() or bare.split() or squeeze(text).split()
