"""``api-simulator weather-codes``: a subcommand of a plug-in."""

import argparse
from dataclasses import dataclass

from weather_service.service import CODES

HELP = "list the codes that the fake weather service answers with"


@dataclass
class Outcome:
    """What the command found: whether it succeeded, for people, and for programs."""

    ok: bool
    text: str
    value: dict[str, object]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--only", choices=sorted(CODES), help="only this weather")


def run(options: argparse.Namespace) -> Outcome:
    """List the codes."""
    codes = {name: code for name, code in CODES.items() if options.only in (None, name)}
    return Outcome(True, "\n".join(f"{name} {code}" for name, code in codes.items()), {"codes": codes})
