"""The command `shualian` and its sub-commands."""

import json
import sys

import typer

from shualian.cli.later import group, imported_when_used
from shualian.core.refusals import Refused

REFUSED_EXIT_CODE = 3
"""Exit status of a command that was refused; 2 is a wrong use of the command itself."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="刷脸就医: face-scan health care.",
    cls=imported_when_used(
        {
            "demo": "shualian.cli.demo:app",
            "serve": "shualian.cli.serve:serve",
            "bootstrap": "shualian.cli.serve:bootstrap",
            "stats": "shualian.cli.stats:stats",
            "contract": "shualian.cli.contract:contract",
            "settings": "shualian.cli.settings:settings",
        }
    ),
)
face = group(
    {
        "weights": "shualian.cli.face:weights",
        "inspect": "shualian.cli.face:inspect",
        "verify": "shualian.cli.face:verify",
        "evaluate": "shualian.cli.evaluate:evaluate",
        "calibrate": "shualian.cli.calibrate:calibrate",
        "simulate-attacks": "shualian.cli.attacks:simulate_attacks",
        "quality-report": "shualian.cli.quality:quality_report",
        "bench": "shualian.cli.face:bench",
    },
    about="The face engine: look, compare, measure, calibrate.",
)
benchmarks = group(
    {
        "terminal": "shualian.cli.terminal:bench",
        "benefits": "shualian.cli.settle:bench",
        "settlement": "shualian.cli.bench_settlement:bench",
        "verification": "shualian.cli.bench_verification:bench",
    },
    about="Measure: ratios beside every rate.",
)
chaos = group(
    {"settlement": "shualian.cli.chaos:settlement"},
    about="Kill what runs, and ask whether all agrees.",
)
audit = group({"verify": "shualian.cli.audit:verify"}, about="The audit chain.")
privacy = group(
    {
        "assessment": "shualian.cli.privacy:assessment",
        "assessments": "shualian.cli.privacy:assessments",
        "affected": "shualian.cli.privacy:affected",
    },
    about="Impact assessments and people concerned.",
)
agent = group(
    {
        "enrol": "shualian.cli.terminal:enrol",
        "fingerprint": "shualian.cli.terminal:fingerprint",
        "heartbeat": "shualian.cli.terminal:heartbeat",
        "rotate": "shualian.cli.terminal:rotate",
    },
    about="The reference agent of a native terminal.",
)
persons = group(
    {"import": "shualian.cli.persons:import_list"}, about="The register of insured persons."
)
policy = group({"check": "shualian.cli.policy:check"}, about="Benefit policies.")
settle = group(
    {"explain": "shualian.cli.settle:explain", "schema": "shualian.cli.settle:schema"},
    about="What a bill comes to, and why.",
)
sandbox = group(
    {
        "load": "shualian.cli.sandbox:load",
        "police-registry": "shualian.cli.sandbox:police_registry",
        "ewallet": "shualian.cli.sandbox_ewallet:ewallet",
    },
    about="Stand-ins of the outside world.",
)
app.add_typer(face, name="face")
app.add_typer(benchmarks, name="bench")
app.add_typer(chaos, name="chaos")
app.add_typer(audit, name="audit")
app.add_typer(privacy, name="privacy")
app.add_typer(agent, name="terminal")
app.add_typer(persons, name="persons")
app.add_typer(policy, name="policy")
app.add_typer(settle, name="settle")
app.add_typer(sandbox, name="sandbox")


def run() -> None:
    """Entry point: a refusal is printed with its way on and ends with status 3."""
    try:
        app()
    except Refused as refused:
        _print_refusal(refused)
        sys.exit(REFUSED_EXIT_CODE)


def _print_refusal(refused: Refused) -> None:
    if "--json" in sys.argv:
        print(json.dumps({"refused": refused.as_json()}, ensure_ascii=False))
        return
    kind = refused.kind
    facts = ", ".join(f"{name}: {value}" for name, value in refused.details.items())
    print(f"{kind.zh}。{kind.next_zh}。", file=sys.stderr)
    print(
        f"{kind.en}{f' ({facts})' if facts else ''}. {kind.next_en}. [{kind.code}]", file=sys.stderr
    )
