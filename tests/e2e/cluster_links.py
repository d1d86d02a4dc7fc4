"""The network between the nodes of a local cluster, as a process: cuts or delays one direction of a pair without root.

Node N is configured as 127.0.1.N and listens on 127.0.0.1; in between sits this proxy. Which node opened a connection is known
from its socket. Bytes of a cut direction are held, as TCP would, and go on when it heals. Commands are JSON lines on stdin, each answered:

    {"pids": {"1": 4711}}      {"cut": [[1, 2], [2, 1]]}      {"delay": [[1, 2, 0.08]]}      {"heal": true}
"""

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys

CHUNK = 65536
CLOSED = -1  # the connection is gone, or of a process that is not told


class Links:
    """Starts the proxy and speaks to it."""

    def __init__(self, ports):
        self.process = subprocess.Popen([sys.executable, "-B", os.path.abspath(__file__), json.dumps(ports)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def tell(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ok\n", "the proxy has ended"

    def partition(self, some, others):
        self.tell(cut=[[a, b] for x in some for y in others for a, b in ((x, y), (y, x))])

    def one_way(self, from_, to):
        self.tell(cut=[[from_, to]])

    def heal(self):
        self.tell(heal=True)

    def close(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def _inode(local, remote):
    """The socket with these (host, port) ends, asked from the kernel: reading /proc/net/tcp takes long on a busy machine."""
    family, sock_diag, by_family, request_flag = socket.AF_INET, 4, 20, 1
    ends = struct.pack(">HH", local[1], remote[1]) + socket.inet_aton(local[0]).ljust(16, b"\0") + socket.inet_aton(remote[0]).ljust(16, b"\0")
    body = struct.pack("<BBBBI", family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + ends + bytes(4) + b"\xff" * 8
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, sock_diag) as netlink:
        netlink.settimeout(5)
        netlink.send(struct.pack("<IHHII", 16 + len(body), by_family, request_flag, 1, 0) + body)
        reply = netlink.recv(8192)
    if struct.unpack_from("<IH", reply)[1] != by_family:
        return 0  # an error: there is no such socket any more
    return struct.unpack_from("<I", reply, 16 + 4 + 48 + 16)[0]


class _Proxy:
    def __init__(self):
        self.pids, self.gates, self.delays = {}, {}, {}

    def gate(self, from_, to):
        if (from_, to) not in self.gates:
            self.gates[from_, to] = asyncio.Event()
            self.gates[from_, to].set()
        return self.gates[from_, to]

    def owner(self, peer, own):
        """The node whose process opened the connection; 0 if it cannot be told yet."""
        inode = _inode(peer, own)
        if inode == 0:
            return CLOSED
        for node, pid in self.pids.items():
            try:
                for fd in os.listdir(f"/proc/{pid}/fd"):
                    if os.readlink(f"/proc/{pid}/fd/{fd}") == f"socket:[{inode}]":
                        return node
            except OSError:
                continue
        return 0

    async def pump(self, reader, writer, from_, to):
        try:
            while True:
                data = await reader.read(CHUNK)
                await self.gate(from_, to).wait()
                if (from_, to) in self.delays:
                    await asyncio.sleep(self.delays[from_, to])
                if not data:
                    break
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def source_of(self, writer):
        """A process that was just started may connect before its id was told."""
        for _ in range(10):
            found = self.owner(writer.get_extra_info("peername"), writer.get_extra_info("sockname"))
            if found:
                return found
            await asyncio.sleep(0.1)
        return CLOSED

    async def serve(self, node, port, reader, writer):
        source = await self.source_of(writer)
        if source == CLOSED:
            writer.close()
            return
        await self.gate(source, node).wait()
        try:
            there, back = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self.pump(reader, back, source, node), self.pump(there, writer, node, source))

    def obey(self, command):
        if "pids" in command:
            self.pids = {int(node): pid for node, pid in command["pids"].items()}
        for from_, to in command.get("cut", []):
            self.gate(from_, to).clear()
        for from_, to, seconds in command.get("delay", []):
            self.delays[from_, to] = seconds
        if "heal" in command:
            self.delays.clear()
            for gate in self.gates.values():
                gate.set()

    async def run(self, ports):
        for node, port in ports.items():
            async def accept(reader, writer, node=int(node), port=port):
                await self.serve(node, port, reader, writer)
            await asyncio.start_server(accept, f"127.0.1.{node}", port)
        commands = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
        print("ready", flush=True)
        while line := await commands.readline():
            self.obey(json.loads(line))
            print("ok", flush=True)


if __name__ == "__main__":
    asyncio.run(_Proxy().run(json.loads(sys.argv[1])))
