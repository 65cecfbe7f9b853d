"""
``api-simulator serve``: its arguments. What it does is in ``_serving``, loaded when it is asked for.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from api_simulator.cli._outcome import Outcome, UsageError

HELP = "serve fake services, or the routes of a file, until SIGTERM or SIGINT"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("services", nargs="*", metavar="SERVICE", help="names of fake services, for instance anthropic")
    parser.add_argument("--file", type=Path, metavar="FILE", help="routes in YAML, JSON, TOML or Python; reloaded")
    parser.add_argument("--set", action="append", default=[], metavar="SERVICE.NAME=VALUE", help="a service's setting")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1: only this machine)")
    parser.add_argument("--port", type=int, default=8080, help="port to listen on; 0 takes a free one (8080)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random (0)")
    parser.add_argument("--grace-s", type=float, default=10.0, metavar="S", help="wait so long for requests at the end")
    parser.add_argument("--log-format", choices=("text", "json"), default="text", help="of the lines on standard error")
    parser.add_argument("--admin", action="store_true", help="offer the admin API; token: $API_SIMULATOR_ADMIN_TOKEN")
    parser.add_argument("--admin-host", default="127.0.0.1", help="address of the admin API (127.0.0.1)")
    parser.add_argument("--admin-port", type=int, default=0, help="its port; 0 takes a free one (0)")
    parser.add_argument("--check", action="store_true", help="look at services, settings and file, and serve nothing")


def run(options: argparse.Namespace) -> Outcome:
    """Serve until a signal, or only look at what would be served."""
    if not options.services and options.file is None:
        raise UsageError("name a service, or a file with --file")
    from api_simulator.cli import _serving

    return _serving.check(options) if options.check else _serving.serve(options)
