"""The command `shualian` and its sub-commands."""

import json
import sys

import typer
from rich.console import Console
from rich.table import Table

from shualian.cli import audit as audit_commands
from shualian.cli import bench_settlement as settlement_commands
from shualian.cli import bench_verification
from shualian.cli import chaos as chaos_commands
from shualian.cli import persons as person_commands
from shualian.cli import policy as policy_commands
from shualian.cli import privacy as privacy_commands
from shualian.cli import sandbox as sandbox_commands
from shualian.cli import sandbox_ewallet as ewallet_commands
from shualian.cli import settle as settle_commands
from shualian.cli import stats as stats_commands
from shualian.cli import terminal as terminal_commands
from shualian.cli import verification as verification_commands
from shualian.cli.attacks import simulate_attacks
from shualian.cli.calibrate import calibrate
from shualian.cli.contract import contract
from shualian.cli.demo import demo
from shualian.cli.evaluate import evaluate
from shualian.cli.face import bench, inspect, verify, weights
from shualian.cli.quality import quality_report
from shualian.cli.serve import bootstrap, serve
from shualian.core.refusals import Refused
from shualian.core.settings import describe_settings, load_settings

REFUSED_EXIT_CODE = 3
"""Exit status of a command that was refused; 2 is a wrong use of the command itself."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="刷脸就医: face-scan health care.",
)
face = typer.Typer(no_args_is_help=True, help="The face engine: look, compare, measure, calibrate.")
app.add_typer(face, name="face")
for command in (
    weights,
    inspect,
    verify,
    evaluate,
    calibrate,
    simulate_attacks,
    quality_report,
    bench,
):
    face.command()(command)
demos = typer.Typer(invoke_without_command=True)
demos.callback()(demo)
demos.command("terminal")(terminal_commands.demo)
demos.command("verify")(verification_commands.demo)
app.add_typer(demos, name="demo")
benchmarks = typer.Typer(no_args_is_help=True, help="Measure: ratios beside every rate.")
benchmarks.command("terminal")(terminal_commands.bench)
benchmarks.command("benefits")(settle_commands.bench)
benchmarks.command("settlement")(settlement_commands.bench)
benchmarks.command("verification")(bench_verification.bench)
app.add_typer(benchmarks, name="bench")
chaos = typer.Typer(no_args_is_help=True, help="Kill what runs, and ask whether all agrees.")
chaos.callback()(lambda: None)
chaos.command("settlement")(chaos_commands.settlement)
app.add_typer(chaos, name="chaos")
audit = typer.Typer(no_args_is_help=True, help="The audit chain.")
audit.command()(audit_commands.verify)
app.add_typer(audit, name="audit")
privacy = typer.Typer(no_args_is_help=True, help="Impact assessments and people concerned.")
privacy.command()(privacy_commands.assessment)
privacy.command()(privacy_commands.assessments)
privacy.command()(privacy_commands.affected)
app.add_typer(privacy, name="privacy")
agent = typer.Typer(no_args_is_help=True, help="The reference agent of a native terminal.")
agent.command()(terminal_commands.enrol)
agent.command()(terminal_commands.fingerprint)
agent.command()(terminal_commands.heartbeat)
agent.command()(terminal_commands.rotate)
app.add_typer(agent, name="terminal")
persons = typer.Typer(no_args_is_help=True, help="The register of insured persons.")
persons.command("import")(person_commands.import_list)
persons.callback()(lambda: None)
app.add_typer(persons, name="persons")
policy = typer.Typer(no_args_is_help=True, help="Benefit policies.")
policy.callback()(lambda: None)
policy.command()(policy_commands.check)
app.add_typer(policy, name="policy")
settle = typer.Typer(no_args_is_help=True, help="What a bill comes to, and why.")
settle.command()(settle_commands.explain)
settle.command()(settle_commands.schema)
app.add_typer(settle, name="settle")
sandbox = typer.Typer(no_args_is_help=True, help="Stand-ins of the outside world.")
sandbox.callback()(lambda: None)
sandbox.command()(sandbox_commands.load)
sandbox.command("police-registry")(sandbox_commands.police_registry)
sandbox.command("ewallet")(ewallet_commands.ewallet)
app.add_typer(sandbox, name="sandbox")
app.command()(serve)
app.command()(bootstrap)
app.command()(stats_commands.stats)
app.command()(contract)


@app.command()
def settings(as_json: bool = typer.Option(False, "--json", help="Print JSON")) -> None:
    """Print every setting with its value, where it came from, and what it means."""
    lines = describe_settings(load_settings())
    if as_json:
        print(json.dumps([{f: getattr(line, f) for f in line.__slots__} for line in lines]))
        return
    table = Table("setting", "value", "origin", "meaning")
    for line in lines:
        table.add_row(line.name, line.value or "-", line.origin, line.meaning)
    Console().print(table)


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
