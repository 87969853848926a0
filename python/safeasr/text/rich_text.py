"""SenseVoice's tags, read: from ``<|zh|><|HAPPY|><|Speech|>...`` to text with emoji.

Equal to ``funasr.utils.postprocess_utils.rich_transcription_postprocess``.
"""

from __future__ import annotations

import re

__all__ = ["rich_transcription_postprocess"]

#: A recording of which nothing is known at all.
_NOTHING_KNOWN = ("<|nospeech|><|Event_UNK|>", "❓")
#: Where an utterance, or a segment of one, begins.
_LANGUAGES = ("<|zh|>", "<|en|>", "<|yue|>", "<|ja|>", "<|ko|>", "<|nospeech|>")
#: What shows how it was said, in the order in which equals are preferred.
_EMOTIONS = {
    "<|NEUTRAL|>": "",
    "<|HAPPY|>": "😊",
    "<|SAD|>": "😔",
    "<|ANGRY|>": "😡",
    "<|FEARFUL|>": "😰",
    "<|DISGUSTED|>": "🤢",
    "<|SURPRISED|>": "😮",
}
#: What was heard beside speech; the last one is written first.
_EVENTS = {
    "<|BGM|>": "🎼",
    "<|Speech|>": "",
    "<|Applause|>": "👏",
    "<|Laughter|>": "😀",
    "<|Cry|>": "😭",
    "<|Sneeze|>": "🤧",
    "<|Breath|>": "",
    "<|Cough|>": "🤧",
}
#: All tags, in the order in which they are taken out: it matters where one lies within another.
_TAGS = (
    "<|HAPPY|>", "<|SAD|>", "<|ANGRY|>", "<|NEUTRAL|>", "<|BGM|>", "<|Speech|>", "<|Applause|>",
    "<|Laughter|>", "<|FEARFUL|>", "<|DISGUSTED|>", "<|SURPRISED|>", "<|Cry|>", "<|EMO_UNKNOWN|>",
    "<|Sneeze|>", "<|Breath|>", "<|Cough|>", "<|Sing|>", "<|Speech_Noise|>", "<|withitn|>",
    "<|woitn|>", "<|GBG|>", "<|Event_UNK|>",
)  # fmt: skip
_EMOTION_SIGNS = "😊😔😡😰🤢😮"
#: FunASR's table of signs has a cough of its own.
_EVENT_SIGNS = "🎼👏😀😭🤧😷"
_SIGN_WITH_SPACE = re.compile(f" ?([{_EMOTION_SIGNS}{_EVENT_SIGNS}]) ?")
_SEGMENT = "<|lang|>"


def _render(segment: str) -> str:
    """One segment: signs of its events, its text, the sign of its most frequent emotion."""
    counts: dict[str, int] = {}
    for tag in (_NOTHING_KNOWN[0], *_LANGUAGES, *_TAGS):
        counts[tag] = segment.count(tag)
        segment = segment.replace(tag, "")
    events = [sign for tag, sign in _EVENTS.items() if counts[tag]]
    emotion = max(_EMOTIONS, key=lambda tag: counts[tag])  # the first of equals
    rendered = "".join(reversed(events)) + segment + _EMOTIONS[emotion]
    return _SIGN_WITH_SPACE.sub(r"\1", rendered).strip()


def _event_of(text: str) -> str | None:
    return text[0] if text and text[0] in _EVENT_SIGNS else None


def _emotion_of(text: str) -> str | None:
    return text[-1] if text and text[-1] in _EMOTION_SIGNS else None


def rich_transcription_postprocess(s: str) -> str:
    """Turn SenseVoice's tags into emoji.

    Languages, text forms and what has no sign are taken out; events stand before the text,
    emotions behind it. Segments are joined, and a sign that neighbours share is written once.

    Args:
        s: ``text`` of a result, also of several segments.

    Returns:
        The text to show.
    """
    s = s.replace(*_NOTHING_KNOWN)
    for language in _LANGUAGES:
        s = s.replace(language, _SEGMENT)
    first, *others = (_render(segment) for segment in s.split(_SEGMENT))
    # As in FunASR, whose first segment never shares its event with the next.
    joined, event = " " + first, None
    for segment in others:
        if event is not None and _event_of(segment) == event:
            segment = segment[1:]
        if not segment:
            continue
        event = _event_of(segment)
        if _emotion_of(segment) is not None and _emotion_of(segment) == _emotion_of(joined):
            joined = joined[:-1]
        joined += segment.strip()
    # What the model says to silence.
    return joined.replace("The.", " ").strip()
