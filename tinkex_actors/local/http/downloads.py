"""Taking weights away: the files of an adapter under links that work for a while, without a key."""

import io
import tarfile
from datetime import datetime, timedelta

from tinkex_actors.local.checkpoints import StoredCheckpoint
from tinkex_actors.local.export import CONFIG_FILE, WEIGHTS_FILE, export_adapter
from tinkex_actors.local.http.call import Answer, Call, answer_with
from tinkex_actors.local.paths import CheckpointPath, Kind, check_name, parse_kind
from tinkex_actors.local.refusals import BadRequest, NotFound
from tinkex_actors.local.service import Service
from tinkex_actors.local.tickets import Ticket
from tinkex_actors.types.ids import ModelId
from tinkex_actors.types.weights import ExternalWeightsUrlsResponse

_LIFETIME = timedelta(hours=1)
_ARCHIVE = "archive.tar"


async def external_weights_urls(service: Service, call: Call) -> Answer:
    """``GET …/checkpoints/{kind}/{name}/external_weights_urls``: a link for each file of an export."""
    path = _path(call)
    if path.kind is not Kind.EXTERNAL:
        raise BadRequest(f"only tinker://RUN/external_weights/NAME can be downloaded so, got {path}")
    await service.find_checkpoint(call.owner, path)
    expires = service.shop.now() + _LIFETIME
    urls = {file: _link(service, call, path, file, expires) for file in (CONFIG_FILE, WEIGHTS_FILE)}
    return answer_with(ExternalWeightsUrlsResponse(urls, expires))


async def archive(service: Service, call: Call) -> Answer:
    """``GET …/checkpoints/{kind}/{name}/archive``: all files in one, as clients before external exports ask for it."""
    path = _path(call)
    await service.find_checkpoint(call.owner, path)
    expires = service.shop.now() + _LIFETIME
    link = _link(service, call, path, _ARCHIVE, expires)
    return Answer(b"{}", status=302, headers={"location": link, "expires": f"{expires:%a, %d %b %Y %H:%M:%S} GMT"})


async def download(service: Service, call: Call) -> Answer:
    """``GET downloads/{ticket}/{file}``: the file. The link is the key."""
    ticket = service.tickets.check(call.path["ticket"], now=service.shop.now().timestamp())
    store, now = service.shop.store, service.shop.now()
    found = await service.shop.compute(lambda: store.find(ticket.checkpoint, now=now), service.shop.disk)
    if found is None or ticket.file != call.path["file"]:
        raise NotFound(f"checkpoint {ticket.path} is no longer there")
    body = await service.shop.compute(lambda: _read(service, found, ticket.file), service.shop.disk)
    return Answer(body, content_type="application/octet-stream")


def _read(service: Service, found: StoredCheckpoint, file: str) -> bytes:
    files = export_adapter(found.recipe, service.shop.store.read(found))
    if file != _ARCHIVE:
        return files[file]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _link(service: Service, call: Call, path: CheckpointPath, file: str, expires: datetime) -> str:
    ticket = service.tickets.issue(Ticket(str(path), file, expires.timestamp()))
    return f"{call.base_url}downloads/{ticket}/{file}"


def _path(call: Call) -> CheckpointPath:
    return CheckpointPath(ModelId(call.path["run_id"]), parse_kind(call.path["kind"]), check_name(call.path["name"]))
