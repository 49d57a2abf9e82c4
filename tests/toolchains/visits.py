import os
import random
import sys
import time

import wit_world
from wit_world.imports.kv import Bucket


class WitWorld(wit_world.WitWorld):
    def count(self, page):
        with Bucket.open("visits") as bucket:
            return bucket.increment(page.encode(), 1).number

    def visit(self, page):
        number = self.count(page)
        print("visit", number, "of", page)
        print("to standard error", file=sys.stderr)
        return number

    def fail(self):
        self.deep()

    def deep(self):
        raise ValueError("on purpose")

    def look_around(self):
        time.sleep(0.001)
        assert not os.environ and not sys.stdin.read()
        try:
            open("/etc/passwd")
        except OSError:
            return f"{int(time.time() * 1000)} {random.random()} {time.monotonic()}"
        raise AssertionError("it read a file")
