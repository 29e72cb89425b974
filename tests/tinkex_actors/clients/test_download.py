"""Files come here whole, or not at all."""

import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
import trio
from attrs import define, field

from tests.tinkex_actors.clients.rest_server import rest_over
from tinkex_actors.clients import open_tinker
from tinkex_actors.clients.download import CheckpointFiles, download_file, find_files, open_download
from tinkex_actors.local import ServerOptions, open_server
from tinkex_actors.settings import Figures, Settings
from tinkex_actors.types import APIConnectionError, APIStatusError, NotFoundError, NotSupportedByServer, ResponseInvalid

CONTENT = bytes(range(256)) * 40
LINK = "https://files/adapter?signature=secret"


class Pieces(httpx.AsyncByteStream):
    """Sends pieces of a thousand bytes, and breaks off after some."""

    def __init__(self, content: bytes, *, breaks_after: int | None) -> None:
        self._pieces = [content[at : at + 1000] for at in range(0, len(content), 1000)]
        self._breaks_after = breaks_after

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if self._breaks_after == 0:
            raise httpx.ReadError("lost")
        if not self._pieces:
            raise StopAsyncIteration
        if self._breaks_after is not None:
            self._breaks_after -= 1
        return self._pieces.pop(0)


@define
class FileServer:
    """Serves one file, with ranges and tags as it is told."""

    content: bytes = CONTENT
    tag: str = '"v1"'
    takes_ranges: bool = True
    breaks: list[int] = field(factory=list[int])
    asked: list[httpx.Request] = field(factory=list[httpx.Request])

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        wanted = request.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-")
        is_same = request.headers.get("if-range", self.tag) == self.tag
        start = int(wanted) if self.takes_ranges and is_same else 0
        if start > len(self.content):
            return httpx.Response(416)
        stream = Pieces(self.content[start:], breaks_after=self.breaks.pop(0) if self.breaks else None)
        headers = {"content-length": str(len(self.content) - start), "etag": self.tag}
        if not start:
            return httpx.Response(200, headers=headers, stream=stream)
        headers["content-range"] = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
        return httpx.Response(206, headers=headers, stream=stream)

    @property
    def starts(self) -> list[str]:
        """What was asked for, in order."""
        return [request.headers.get("range", "all") for request in self.asked]


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def fetch(server: Callable[[httpx.Request], httpx.Response], target: Path, **options: str | int) -> int:
    figures = Figures(max_retries=2, retry_delay_base=0.001)
    settings = Settings(api_key="tml-secret", base_url="http://server", figures=figures)
    async with rest_over(server, settings) as rest:
        return await download_file(rest, LINK, target, **options)  # type: ignore[arg-type] # a table of options


@pytest.mark.tinkex("F258", "F259")
async def test_a_file_comes_here_whole_and_without_a_key(tmp_path: Path) -> None:
    """Signed links go anywhere; nothing of ours goes along, and nothing but the file is left."""
    server, seen = FileServer(), list[tuple[int, int | None]]()
    async with rest_over(server) as rest:
        size = await download_file(rest, LINK, tmp_path / "a", progress=lambda now, all_: seen.append((now, all_)))
    assert (size, (tmp_path / "a").read_bytes()) == (len(CONTENT), CONTENT)
    assert seen[0] == (1000, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert "x-api-key" not in server.asked[0].headers
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("server", "starts"),
    [
        (FileServer(breaks=[3, 2]), ["all", "bytes=3000-", "bytes=5000-"]),
        (FileServer(breaks=[3], takes_ranges=False), ["all", "bytes=3000-"]),
        (FileServer(breaks=[3], tag=""), ["all", "all"]),
        (FileServer(breaks=[3], tag='W/"v1"'), ["all", "all"]),
    ],
)
async def test_a_broken_download_goes_on_where_it_can(server: FileServer, starts: list[str], tmp_path: Path) -> None:
    """By range where the file is known to be the same; from the beginning where nobody can say."""
    await fetch(server, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.starts == starts


async def test_a_later_program_goes_on_where_an_earlier_one_ended(tmp_path: Path) -> None:
    """What was written is kept; only what is missing is fetched."""
    target = tmp_path / "a"
    with pytest.raises(APIConnectionError):
        await fetch(FileServer(breaks=[2, 0, 0, 0]), target)
    assert not target.exists()
    later = FileServer()
    await fetch(later, target)
    assert (target.read_bytes(), later.starts) == (CONTENT, ["bytes=2000-"])


async def test_another_file_under_the_same_link_is_fetched_from_its_beginning(tmp_path: Path) -> None:
    """Two halves of two files are no file."""
    target = tmp_path / "a"
    with pytest.raises(APIConnectionError):
        await fetch(FileServer(breaks=[2, 0, 0, 0]), target)
    await fetch(FileServer(content=b"new" * 1000, tag='"v2"'), target)
    assert target.read_bytes() == b"new" * 1000


async def test_a_part_that_is_too_long_is_no_part_of_it(tmp_path: Path) -> None:
    """The server says that it has no such byte; the file is fetched anew."""
    (tmp_path / "a.part").write_bytes(b"x" * 99_999)
    (tmp_path / "a.part.tag").write_text('"v1"')
    await fetch(FileServer(), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"size_bytes": 5}, "content: expected 5 bytes, got 10240"), ({"sha256": "AB"}, "expected the SHA-256 ab, got")],
)
async def test_a_wrong_file_does_not_get_the_name(options: dict[str, str | int], sentence: str, tmp_path: Path) -> None:
    """Nor is it kept to go on from; what had the name before still has it."""
    target = tmp_path / "a"
    target.write_text("old")
    with pytest.raises(ResponseInvalid, match=sentence):
        await fetch(FileServer(), target, **options)
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a"]


async def test_the_right_checksum_is_taken(tmp_path: Path) -> None:
    """Also of a file that came in two halves."""
    await fetch(FileServer(breaks=[4]), tmp_path / "a", sha256=hashlib.sha256(CONTENT).hexdigest(), size_bytes=10240)
    assert (tmp_path / "a").read_bytes() == CONTENT


async def test_a_link_that_is_over_is_one_error_without_its_signature(tmp_path: Path) -> None:
    """No retry helps, and no message repeats the link."""

    def refuse(_: httpx.Request) -> httpx.Response:
        return httpx.Response(403, text="expired")

    with pytest.raises(APIStatusError, match="download was answered with 403: expired") as refused:
        await fetch(refuse, tmp_path / "a")
    assert "secret" not in str(refused.value)


@pytest.mark.tinkex("T143")
async def test_redirects_are_followed_but_never_from_tls_to_none(tmp_path: Path) -> None:
    """A file may lie elsewhere; a file in the open may be anybody's."""
    server = FileServer()

    def redirect(request: httpx.Request) -> httpx.Response:
        if request.url.host == "files":
            return httpx.Response(302, headers={"location": "https://elsewhere/file"})
        if request.url.host == "elsewhere":
            return server(request)
        return httpx.Response(302, headers={"location": "http://open/file"})

    await fetch(redirect, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    async with rest_over(redirect) as rest:
        with pytest.raises(APIConnectionError, match="without TLS"):
            async with open_download(rest, "https://other/file"):
                raise AssertionError
        with pytest.raises(ValueError, match="must be an http:// or https:// address"):
            async with open_download(rest, "file:///etc/passwd"):
                raise AssertionError


@pytest.mark.parametrize("name", ["../up", "/etc/x", "a/../../b", "C:\\x", "..\\x", ""])
async def test_files_that_would_lie_elsewhere_are_refused(name: str) -> None:
    """A server names the files; it does not choose where on this machine they go."""

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"urls": {name: LINK}, "expires": "2030-01-01T00:00:00Z"})

    async with rest_over(answer) as rest:
        with pytest.raises(ResponseInvalid, match="expected relative paths"):
            await find_files(rest, "tinker://r/external_weights/x")


async def test_an_export_of_the_embedded_server_comes_here(tmp_path: Path) -> None:
    """Trained, exported, found and fetched; an archive of the training state too."""
    async with open_server(ServerOptions()) as server, open_tinker(Settings.local(server.url)) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=2)
        exported = await trainer.save_weights_external("out", ttl_seconds=3600)
        state = await trainer.save_state("state")
        rest = tinker.create_rest_client()
        files = await find_files(rest, exported.path)
        assert "adapter_model.safetensors" in files.urls
        for name, url in files.urls.items():
            assert await download_file(rest, url, tmp_path / name) > 0
        archive = await find_files(rest, state.path)
        assert isinstance(archive, CheckpointFiles)
        ((name, url),) = archive.urls.items()
        assert await download_file(rest, url, tmp_path / name) > 0
        with pytest.raises((NotFoundError, NotSupportedByServer)):
            await find_files(rest, "tinker://nobody/external_weights/x")
