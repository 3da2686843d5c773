"""`shualian demo verify`: from a live face to a proof that can be used once, and every refusal."""

from typing import Annotated

import typer

from shualian.cli.demo import play, temporary_or_kept
from shualian.core.clock import SystemClock
from shualian.core.settings import load_settings


def demo(
    headless: Annotated[
        bool, typer.Option("--headless", help="Plain lines, for scripts; no colours")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the city and the video")] = 20261121,
    people: Annotated[
        int, typer.Option(min=40, max=20_000, help="In the city that is searched by digits")
    ] = 2_000,
) -> None:
    """Play verification: activated, found, proven once; then every attack and misuse refused."""
    import structlog

    from shualian.sandbox.verification_demo import VerificationDemo

    # The steps are told on standard output; a line for every request would hide them.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    with temporary_or_kept(None) as folder:
        replaced = {"data_dir": folder, "insurer_database_url": None, "audit_checkpoints_dir": None}
        settings = load_settings().model_copy(update=replaced)
        steps = VerificationDemo(settings, clock=SystemClock(), seed=seed, people=people).play()
        play(steps, headless=headless, as_json=as_json)
