#!/usr/bin/env python3
"""Runs a command on a terminal of its own that is made smaller meanwhile, and checks its screen: terminal.py COMMAND …

The command is a run that takes much longer than ten frames.

The screen is the alternate one of xterm, each frame is drawn from its top, no line is longer than the terminal is wide, and
what is printed stands below when the screen is left.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time


def resize(terminal, rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


process, terminal = pty.fork()
if process == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
resize(terminal, 40, 120)
sizes = [(40, 120), (12, 50)]
seen, isSmaller, isStopped = b"", False, False
end = time.monotonic() + 60
while time.monotonic() < end:
    ready, _, _ = select.select([terminal], [], [], 1)
    if not ready:
        continue
    try:
        data = os.read(terminal, 65536)
    except OSError:
        break
    if not data:
        break
    seen += data
    # After some frames, the terminal is made smaller.
    if not isSmaller and seen.count(b"\x1b[?2026l") >= 4:
        resize(terminal, *sizes[1])
        isSmaller = True
    # Not by Ctrl-C, which the terminal would echo. Once: frames may still come until the run has ended.
    if not isStopped and seen.count(b"\x1b[?2026l") >= 10:
        os.kill(process, signal.SIGINT)
        isStopped = True
else:
    sys.exit("it does not end")
_, status = os.waitpid(process, 0)
# As a whole, because a character may have come in two parts.
output = seen.decode()
code = os.waitstatus_to_exitcode(status)
assert code == 130, f"it ends with {code}: {output[-500:]!r}"
assert output.count("\x1b[?1049h") == 1 and output.count("\x1b[?1049l") == 1, "the screen is not entered and left once"
assert output.count("\x1b[?25l") == output.count("\x1b[?25h") == 1, "the cursor is not hidden and shown once"
screen, after = output.split("\x1b[?25h\x1b[?1049l")
assert "interrupted by SIGINT" in after and "saved after step" in after and "epoch" in after, after
frames = re.findall(r"\x1b\[\?2026h(?:\x1b\[\?1049h\x1b\[\?25l)?\x1b\[H(.*?)\x1b\[J\x1b\[\?2026l", screen, re.S)
assert len(frames) >= 5, f"{len(frames)} frames"
assert re.sub(r"\x1b\[\?2026h.*?\x1b\[\?2026l", "", screen[screen.index("\x1b[?2026h"):], flags=re.S) == "", \
    "something else is printed on the screen"
isColored = re.search(r"\x1b\[38;5;\d+m", screen) is not None
assert isColored == (not os.environ.get("NO_COLOR")), f"colours: {isColored}"
fitting = [0, 0]
for frame in frames:
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line.removesuffix("\x1b[K")) for line in frame.split("\r\n")]
    assert "\x1b" not in "".join(lines), lines
    rows, columns = len(lines), max(map(len, lines))
    for index, size in enumerate(sizes):
        fitting[index] += rows <= size[0] and columns <= size[1]
assert fitting[0] == len(frames) and fitting[1] >= 1, f"frames that fit: {fitting} of {len(frames)}"
assert any("worker 1 (" in frame and re.search("[━─]{8,}  epoch", frame) for frame in frames), frames[-1]
assert any("┤" in frame and "train" in frame for frame in frames), "the loss is not drawn"
print(f"ok: {len(frames)} frames, {'with' if isColored else 'without'} colours")
