"""``tinkex doctor``: what stands between a person and a run, found in order, each with what to do about it."""

import shutil
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import click
import trio
from attrs import frozen

from tinkex_actors.cli._asking import json_option, output_of, server_options, settings_of
from tinkex_actors.cli._errors import CommandFailed, describe_failure
from tinkex_actors.cli._output import table
from tinkex_actors.clients import RestClient, open_rest_client
from tinkex_actors.settings import Settings
from tinkex_actors.transport.ask import send
from tinkex_actors.transport.endpoints_rest import HEALTH
from tinkex_actors.transport.stack import open_transport
from tinkex_actors.types import APIConnectionError, AuthenticationError, NotSupportedByServer, TinkerError

_SKEW = 60.0
"""Seconds between two clocks before signed links and tokens are in danger."""
_ROOM = 2 * 1024**3
"""Bytes on the disk below which a checkpoint of an ordinary adapter may not fit."""


class Verdict(StrEnum):
    """How one check came out."""

    GOOD = "ok"
    DOUBTFUL = "warning"
    BAD = "failed"
    SKIPPED = "skipped"


@frozen
class Finding:
    """One check."""

    check: str
    verdict: Verdict
    found: str
    advice: str = ""
    """What to do; empty when there is nothing to be done."""


@click.command("doctor")
@server_options
@json_option
@click.option("--folder", type=click.Path(path_type=Path), default=Path(), show_default="this one",
              help="Where runs and downloads will be written.")  # fmt: skip
def command(*, base_url: str | None, api_key: str | None, timeout: float, is_json: bool, folder: Path) -> int:
    """Check key, network, server, clock and disk, and say what to do; status 1 when something is wrong."""
    findings = [check_disk(folder)]
    try:
        settings = settings_of(base_url, api_key, timeout)
    except CommandFailed as fault:
        findings.append(Finding("key", Verdict.BAD, str(fault), "make a key in the console, then tinkex auth login"))
        findings += [Finding(name, Verdict.SKIPPED, "needs a key") for name in ("network", "server", "clock")]
    else:
        findings += trio.run(check_server, settings)
    rows = [(one.check, one.verdict.value, one.found, one.advice) for one in findings]
    is_well = all(one.verdict is not Verdict.BAD for one in findings)
    output_of(is_json=is_json).show(
        {"healthy": is_well, "findings": findings}, table(("Check", "Verdict", "Found", "What to do"), rows)
    )
    return 0 if is_well else 1


def check_disk(folder: Path) -> Finding:
    """Look whether *folder* can be written, and how much room there is."""
    try:
        probe = folder / ".tinkex-doctor"
        probe.write_bytes(b"")
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as fault:
        return Finding("disk", Verdict.BAD, f"{folder} cannot be written: {fault.strerror}", "choose another --folder")
    found = f"{free / 1024**3:.1f} GiB free"
    if free < _ROOM:
        return Finding("disk", Verdict.DOUBTFUL, found, "a checkpoint may not fit; make room or use another disk")
    return Finding("disk", Verdict.GOOD, found)


async def check_server(settings: Settings) -> list[Finding]:
    """Look at the network, the server's clock, the key and what the server offers, as far as each allows the next."""
    network = await _check_network(settings)
    if network.verdict is Verdict.BAD:
        return [network, *(Finding(name, Verdict.SKIPPED, "no network") for name in ("clock", "key", "server"))]
    async with open_rest_client(settings) as rest:
        key = await _check_key(rest)
        server = Finding("server", Verdict.SKIPPED, "needs a key that is taken")
        if key.verdict is not Verdict.BAD:
            server = await _check_offer(rest)
        return [network, await _check_clock(settings), key, server]


async def _check_network(settings: Settings) -> Finding:
    address = urlsplit(settings.base_url)
    port = address.port or (443 if address.scheme == "https" else 80)
    where = f"{address.hostname}:{port}"
    began = trio.current_time()
    try:
        with trio.fail_after(settings.figures.connect_timeout):
            stream = await trio.open_tcp_stream(address.hostname or "", port)
            await stream.aclose()
    except socket.gaierror:
        return Finding(
            "network", Verdict.BAD, f"{address.hostname} has no address", "check --base-url and the resolver"
        )
    except (OSError, trio.TooSlowError) as fault:
        reason = "no answer" if isinstance(fault, trio.TooSlowError) else describe_failure(fault)
        return Finding("network", Verdict.BAD, f"{where} is not reached: {reason}", "check proxy and firewall, or --base-url")  # fmt: skip
    return Finding("network", Verdict.GOOD, f"{where} in {1000 * (trio.current_time() - began):.0f} ms")


async def _check_clock(settings: Settings) -> Finding:
    try:
        async with open_transport(settings) as transport:
            answer = await send(transport, HEALTH, None)
    except APIConnectionError as error:
        return Finding("clock", Verdict.DOUBTFUL, str(error), "the server does not answer over HTTP")
    return judge_clock(answer.headers, datetime.now(UTC))


def judge_clock(headers: Mapping[str, str], now: datetime) -> Finding:
    """Compare this machine's clock with the date an answer carries."""
    try:
        theirs = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return Finding("clock", Verdict.SKIPPED, "the server sends no date")
    skew = (now - theirs.astimezone(UTC)).total_seconds()
    if abs(skew) > _SKEW:
        side = "ahead" if skew > 0 else "behind"
        return Finding("clock", Verdict.BAD, f"{abs(skew):.0f} s {side} of the server", "set the clock, by NTP")
    return Finding("clock", Verdict.GOOD, f"within {max(abs(skew), 1):.0f} s of the server")


async def _check_key(rest: RestClient) -> Finding:
    try:
        key = await rest.get_api_key()
    except AuthenticationError as refusal:
        return Finding("key", Verdict.BAD, str(refusal), "make a key in the console, then tinkex auth login")
    except NotSupportedByServer:
        return Finding("key", Verdict.SKIPPED, "the server does not tell about keys")
    except TinkerError as error:
        return Finding("key", Verdict.DOUBTFUL, str(error), "see the next line")
    return Finding("key", Verdict.GOOD, f"known as {key.name}")


async def _check_offer(rest: RestClient) -> Finding:
    try:
        models = (await rest.get_server_capabilities()).supported_models
    except TinkerError as error:
        advice = "the address may be another service's; check --base-url"
        return Finding("server", Verdict.BAD, describe_failure(error), advice)
    if not models:
        return Finding("server", Verdict.DOUBTFUL, "offers no model", "ask who runs it")
    trainable = sum(model.trainable is not False for model in models)
    return Finding("server", Verdict.GOOD, f"{len(models)} models, {trainable} to train")
