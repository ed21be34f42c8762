"""A Prefect server in the manner of Prefect Cloud: a workspace below ``/api/accounts/…/workspaces/…``, for who shows a bearer key.

Everything else is the server's behind it. Of its WebSockets those that clients of Prefect Cloud use are here: events are sent by
a client that shows the key in a header, and read by one that shows it in its first message.
"""

import asyncio
import json
import threading
from contextlib import contextmanager

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from waiting import until
from websockets.asyncio.client import connect

PATH = "/api/accounts/0f6c1a52-6b1e-4d2c-9a43-2f5a2d6b7c10/workspaces/7d0b2f9e-51a4-4c8e-8f13-0c9b6e3d2a41"
KEY = "pnu_sentinelkeyofaworkspace"
_HOP = {"host", "authorization", "content-length", "content-encoding", "transfer-encoding", "connection"}
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class Workspace:
    """Passes on what shows the key; ``refused`` has the paths of what did not."""

    def __init__(self, api, login):
        self._api, self._login = api, login
        self._client = httpx.AsyncClient(auth=tuple(login.split(":")), timeout=60)
        self.refused, self.events = [], 0
        place = PATH + "/{path:path}"
        self.application = Starlette(routes=[Route(place, self.answer, methods=METHODS), WebSocketRoute(place, self.stream)])

    async def answer(self, request):
        if request.headers.get("authorization", "").lower() != f"bearer {KEY}":
            self.refused.append(request.url.path)
            return PlainTextResponse("Unauthorized", 401)
        url, headers = f"{self._api}/{request.path_params['path']}", _kept(request.headers)
        done = await self._client.request(request.method, url, params=request.query_params, headers=headers, content=await request.body())
        return Response(done.content, done.status_code, _kept(done.headers))

    async def stream(self, outer):
        """One WebSocket: both directions until one side closes."""
        if "prefect" in outer.scope["subprotocols"]:
            await outer.accept(subprotocol="prefect")
            shown = json.loads(await outer.receive_text())["token"]
            await outer.send_text(json.dumps({"type": "auth_success"}))
        else:
            shown = outer.headers.get("authorization", "").partition(" ")[2]
            await outer.accept()
        if shown != KEY:
            self.refused.append(outer.url.path)
            await outer.close(1008)
            return
        async with connect(f"ws{self._api[4:]}/{outer.path_params['path']}", subprotocols=["prefect"]) as inner:
            await inner.send(json.dumps({"type": "auth", "token": self._login}))
            await inner.recv()
            ways = [asyncio.create_task(way) for way in (self._inwards(outer, inner), _outwards(outer, inner))]
            _, open_ways = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in open_ways:
                way.cancel()

    async def _inwards(self, outer, inner):
        while (message := await outer.receive())["type"] == "websocket.receive":
            self.events += 1
            await inner.send(message.get("text") or message["bytes"])


async def _outwards(outer, inner):
    async for message in inner:
        await outer.send_text(message if isinstance(message, str) else message.decode())


def _kept(headers):
    return {name: value for name, value in headers.items() if name.lower() not in _HOP}


@contextmanager
def in_cloud(api, login):
    """The workspace and its address, while the block lasts."""
    workspace = Workspace(api, login)
    server = uvicorn.Server(uvicorn.Config(workspace.application, host="127.0.0.1", port=0, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield workspace, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
