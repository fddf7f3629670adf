"""How an autoscaler went about it: each change of the number of replicas, and whether it kept to its own pace."""

import json
import math
import os
import time

# The brief's durations take a quarter of an hour. Unless the whole of it is asked for, each of them is a sixth.
WHOLE = bool(os.environ.get("CLUSTER_WHOLE"))
SHARE = 1 if WHOLE else 6
# What the brief says: four pods a minute up after a minute, a quarter in two minutes down after five.
UP, DOWN = (4, 60, 60), (25, 120, 300)


def quicken(behavior):
    """An autoscaler's behaviour, with all its durations shortened alike."""
    quick = json.loads(json.dumps(behavior))
    for each in quick.values():
        each["stabilizationWindowSeconds"] //= SHARE
        for policy in each["policies"]:
            policy["periodSeconds"] //= SHARE
    return quick


class Pace:
    """Notes the replicas of a Deployment, second by second."""

    def __init__(self, read):
        self.read, self.began, self.steps = read, time.monotonic(), []

    def note(self):
        count, at = self.read(), time.monotonic() - self.began
        if not self.steps or self.steps[-1][1] != count:
            self.steps.append((at, count))
        return count

    def until(self, condition, longest):
        """Goes on noting until the number is as wanted; the number that it ended with."""
        end = time.monotonic() + longest
        while time.monotonic() < end:
            count = self.note()
            if condition(count):
                return count
            time.sleep(1)
        raise TimeoutError(f"never as wanted: {self.told()}")

    def told(self):
        return ", ".join(f"{at:.0f} s: {count}" for at, count in self.steps)

    def within(self, at, seconds, rises):
        """By how much it rose, or fell, in the seconds before this moment."""
        return sum(abs(count - before) for (_, before), (when, count) in zip(self.steps, self.steps[1:])
                   if at - seconds < when <= at and (count > before) == rises)

    def wrong(self, most_up=UP[0], up_seconds=UP[1] // SHARE, down_percent=DOWN[0], down_seconds=DOWN[1] // SHARE):
        """Where it was faster than its policies let it. Two seconds' tolerance: we look once a second."""
        found = []
        for (_, before), (at, count) in zip(self.steps, self.steps[1:]):
            if count > before and self.within(at, up_seconds - 2, True) > most_up:
                found.append(f"up to {count} at {at:.0f} s")
            if count < before:
                fell = self.within(at, down_seconds - 2, False)
                if fell > math.ceil((count + fell) * down_percent / 100):
                    found.append(f"down to {count} at {at:.0f} s")
        return found
