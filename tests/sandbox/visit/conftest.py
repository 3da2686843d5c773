"""The whole visit, played once for all who look at it."""

import pytest

from sandbox.visit.played import PlayedVisit, play_whole_visit


@pytest.fixture(scope="session")
def played_visit(tmp_path_factory: pytest.TempPathFactory) -> PlayedVisit:
    return play_whole_visit(tmp_path_factory.mktemp("whole-visit") / "kept")
