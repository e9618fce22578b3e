#!/usr/bin/env python3
"""A name server that knows one name: one_name_server.py LISTEN NAME ADDRESS. UDP at port 53; other names do not
exist, and the one has no address but the IPv4 one."""

import socket
import struct
import sys


def answer(query, name, address):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    question = query[12:at + 5]
    kind = struct.unpack("!H", query[at + 1:at + 3])[0]
    known = ".".join(labels).lower() == name
    records = b""
    if known and kind == 1:
        records = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 0, 4) + socket.inet_aton(address)
    flags = 0x8180 if known else 0x8183
    return query[:2] + struct.pack("!5H", flags, 1, int(bool(records)), 0, 0) + question + records


def main():
    listen, name, address = sys.argv[1:]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((listen, 53))
        while True:
            query, client = server.recvfrom(512)
            server.sendto(answer(query, name, address), client)


if __name__ == "__main__":
    main()
