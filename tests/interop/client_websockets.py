#!/usr/bin/python3
"""The hub as Debian's python3-websockets sees it; PORT and COMPRESSION are the daemon's."""

import asyncio
import json
import os

import websockets
from websockets.extensions import permessage_deflate

IS_ON = os.environ["COMPRESSION"] == "on"
URL = "ws://127.0.0.1:" + os.environ["PORT"]
LINE = "some words that are said again and again; "
MESSAGES = ["", "x", "Hello-µ@ßöäüàá-UTF-8!!", "太郎 😀", LINE * 5, LINE * 1500] + [
    b"\xfe" * n for n in (0, 1, 125, 126, 65000, 65536)
]
PREFIX = "Server received: "


def offer(**parameters):
    return {
        "compression": None,
        "extensions": [permessage_deflate.ClientPerMessageDeflateFactory(**parameters)],
    }


WAYS = [
    ({"compression": None}, False),
    ({"compression": "deflate"}, True),
    (offer(), True),
    (offer(client_max_window_bits=9), True),
    (offer(client_no_context_takeover=True, server_no_context_takeover=True), True),
    (offer(server_max_window_bits=15), True),
    (offer(server_max_window_bits=10), False),
]


def echoed(message):
    return PREFIX + message if isinstance(message, str) else PREFIX.encode() + message


async def receive(ws):
    return await asyncio.wait_for(ws.recv(), 20)


async def talk(way, agrees):
    async with websockets.connect(URL + "/echo", **way) as ws:
        assert bool(ws.extensions) == (agrees and IS_ON), (way, ws.extensions)
        for message in MESSAGES:
            await ws.send(message)
            assert await receive(ws) == echoed(message), way
        # an iterable goes out in fragments
        await ws.send(["frag", "", "ments"])
        assert await receive(ws) == PREFIX + "fragments", way
        await asyncio.wait_for(await ws.ping("x" * 125), 20)
    async with websockets.connect(URL + "/chat/interop-py", **way) as a:
        async with websockets.connect(URL + "/chat/interop-py", **way) as b:
            for message in MESSAGES:
                await a.send(message)
                assert await receive(a) == message, way
                assert await receive(b) == message, way
            await b.close(4000, "reason")
            assert b.close_code == 4000
    async with websockets.connect(
        URL + "/chat/interop-py-json", subprotocols=["other", "chat.v1.json"], **way
    ) as ws:
        assert ws.subprotocol == "chat.v1.json"
        assert json.loads(await receive(ws))["t"] == "welcome"
        await ws.send(json.dumps({"t": "pub", "room": "interop-py-json", "data": LINE * 20}))
        event = {"t": ""}
        while event["t"] != "msg":
            event = json.loads(await receive(ws))
            assert event["t"] != "error", event
        assert event["data"] == LINE * 20


async def main():
    for way, agrees in WAYS:
        await talk(way, agrees)
    for compression in (None, "deflate"):
        async with websockets.connect(URL + "/echo", compression=compression) as ws:
            try:
                await ws.send(bytes(1 << 20))
                await receive(ws)
            except websockets.ConnectionClosed:
                pass
            # a socket that is closed under a long message may swallow the Close
            assert ws.close_code in (1009, 1006), ws.close_code


asyncio.run(main())
