"""How sure a measured rate is: exact binomial bounds and the identity bootstrap."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

CONFIDENCE = 0.95
"""Of every bound and interval that names no other."""

Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured value with the ends of its 95 % interval; NaN where nothing can be said."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Proportion:
    """Errors among trials; ``rate`` is NaN and ``upper95`` is 1 when there was no trial."""

    errors: int
    trials: int

    @property
    def rate(self) -> float:
        """Share of errors, 0..1."""
        return self.errors / self.trials if self.trials else float("nan")

    @property
    def upper95(self) -> float:
        """One-sided 95 % upper bound of the rate if the trials were independent, 0..1."""
        return clopper_pearson_upper(self.errors, self.trials)


def clopper_pearson_upper(errors: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """One-sided exact upper bound of an error rate (Clopper and Pearson, Biometrika 1934).

    With no error it is ``1 - (1 - confidence) ** (1 / trials)``, close to the rule of three of
    ISO/IEC 19795-1. It takes trials as independent: pairs that share people carry less, so for
    them the bound is optimistic.

    Args:
        errors: 0..``trials``.
        trials: How often it was tried; with none the bound is 1.
        confidence: Share of experiments whose bound holds, inside 0..1.

    Returns:
        The bound, 0..1.

    Raises:
        ValueError: If the counts or the confidence are impossible.
    """
    if not 0 <= errors <= trials or not 0 < confidence < 1:
        raise ValueError("need 0 <= errors <= trials and a confidence inside 0..1")
    if errors == trials:
        return 1.0
    return float(betaincinv(errors + 1, trials - errors, confidence))


def percentile_estimate(value: float, samples: Samples) -> Estimate:
    """A value with the central 95 % of its samples; NaN samples do not count.

    Args:
        value: As measured.
        samples: 1-D, one per replicate.
    """
    usable = samples[np.isfinite(samples)]
    if not len(usable):
        return Estimate(value, float("nan"), float("nan"))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(usable, [tail, 1 - tail])
    return Estimate(value, float(low), float(high))


def resample_identities(
    identities: int, replicates: int, generator: np.random.Generator
) -> NDArray[np.int32]:
    """How often each identity is drawn in each bootstrap replicate.

    People, not pairs, are the independent units, so people are drawn with replacement (subset
    bootstrap: Bolle, Ratha and Pankanti, CVIU 2004).

    Returns:
        ``replicates`` x ``identities`` counts; every row sums to ``identities``.
    """
    even = np.full(identities, 1 / identities)
    return generator.multinomial(identities, even, size=replicates).astype(np.int32)
