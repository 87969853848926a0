"""What tests of pipelines share: small models are made once."""

from __future__ import annotations

import pytest

from support.diarized import write_models


@pytest.fixture(scope="session")
def speaker_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Model directories of a pipeline that says who speaks, by what they are."""
    return write_models(tmp_path_factory.mktemp("speakers"))
