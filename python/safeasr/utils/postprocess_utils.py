"""What ``funasr.utils.postprocess_utils`` has for users."""

from __future__ import annotations

from safeasr.text.rich_text import rich_transcription_postprocess

__all__ = ["rich_transcription_postprocess"]
