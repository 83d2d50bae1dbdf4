"""Runs a server and keeps what goes in and what comes out:  witness.py DIRECTORY COMMAND [ARG...]"""

import os
import signal
import subprocess
import sys
import threading

kept, *command = sys.argv[1:]
server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def copy(source, target, name):
    with open(os.path.join(kept, name), "wb", buffering=0) as file:
        while chunk := os.read(source, 65536):
            file.write(chunk)
            while chunk:
                try:
                    chunk = chunk[os.write(target, chunk) :]
                except BrokenPipeError:
                    return


def hear():
    copy(0, server.stdin.fileno(), "heard")
    server.stdin.close()


# Whoever ends us means the server.
signal.signal(signal.SIGTERM, lambda *_: server.terminate())
threading.Thread(target=hear, daemon=True).start()
copy(server.stdout.fileno(), 1, "said")
sys.exit(server.wait())
