"""A gallery with real keys and real sealing in a folder of its own."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from shualian.core.clock import SettableClock
from shualian.core.database import Database
from shualian.face.model import Embedding
from shualian.gallery import store
from shualian.gallery.model import PEOPLE_MAX, EmbeddingPath
from shualian.gallery.ports import TemplateSealer
from shualian.gallery.service import Gallery
from shualian.trust.keys import DevelopmentKeys
from shualian.trust.sealing import DerivedSecrets, Sealer

PATHS = (EmbeddingPath("small", 16), EmbeddingPath("large", 24))
ENROLLED_AT = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
PROTECTION = "gallery.protection"


class NewGallery:
    """Makes galleries over one folder of keys and one clock, as restarts of a program do."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._provider = DevelopmentKeys(folder)
        self._clock = SettableClock(ENROLLED_AT)

    @property
    def keys(self) -> DerivedSecrets:
        return DerivedSecrets(self._provider, PROTECTION, b"template transform")

    def add_key(self) -> None:
        self._provider.rotate(PROTECTION)

    def lose_key(self, number: int, purpose: str = PROTECTION) -> None:
        (file,) = (self._folder / purpose).glob(f"{number:04d}-*.key")
        file.unlink()
        self._provider = DevelopmentKeys(self._folder)

    def __call__(
        self,
        database: Database,
        *,
        name: str = "insured",
        paths: Sequence[EmbeddingPath] = PATHS,
        sealer: TemplateSealer | None = None,
        people_max: int = PEOPLE_MAX,
    ) -> Gallery:
        database.create_tables(store.metadata)
        return Gallery(
            name,
            paths,
            database=database,
            keys=self.keys,
            sealer=sealer or Sealer(self._provider),
            clock=self._clock,
            people_max=people_max,
        )


@pytest.fixture
def new_gallery(tmp_path: Path) -> NewGallery:
    return NewGallery(tmp_path / "keys")


@pytest.fixture
def gallery(any_database: Database, new_gallery: NewGallery) -> Gallery:
    """A gallery in use, on each engine."""
    made = new_gallery(any_database)
    made.rebuild()
    return made


@pytest.fixture
def unit_vectors() -> Callable[[int, int, int], Embedding]:
    """``(count, dimension, seed)``: people who have nothing in common."""

    def make(count: int, dimension: int, seed: int) -> Embedding:
        vectors = np.random.default_rng(seed).standard_normal((count, dimension))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors.astype(np.float32)

    return make
