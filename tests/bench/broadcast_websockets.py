#!/usr/bin/python3
"""
broadcast_websockets.py - what python3-websockets offers for chat: broadcast() to all members of a
room, as its manual shows it. A peer of the benchmarks: it prints the port that it listens on, and
serves until it is killed.
"""

import asyncio
import logging
import resource

import websockets

rooms = {}


async def serve_member(member, path):
    room = rooms.setdefault(path, set())
    room.add(member)
    try:
        async for message in member:
            websockets.broadcast(room, message)
    except websockets.ConnectionClosedError:
        pass
    finally:
        room.remove(member)


async def main():
    # pings and compression are left out, so that both have the same to do
    server = await websockets.serve(
        serve_member, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Future()


most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
logging.disable(logging.CRITICAL)
asyncio.run(main())
